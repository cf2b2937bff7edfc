CREATE TABLE "access_requests" (
	"adapter_id" text NOT NULL,
	"user_id" text NOT NULL,
	"status" text NOT NULL,
	"message" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"decided_at" timestamp (3) with time zone,
	"decided_by" text,
	CONSTRAINT "access_requests_adapter_id_user_id_pk" PRIMARY KEY("adapter_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "adapter_settings" (
	"id" text PRIMARY KEY NOT NULL,
	"visibility" text DEFAULT 'public' NOT NULL,
	"gate" text
);
--> statement-breakpoint
CREATE TABLE "members" (
	"organisation" text NOT NULL,
	"user_id" text NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "members_organisation_user_id_pk" PRIMARY KEY("organisation","user_id")
);
--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "visibility" text DEFAULT 'public' NOT NULL;--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "gate" text;--> statement-breakpoint
ALTER TABLE "user" ADD COLUMN "kind" text DEFAULT 'person' NOT NULL;--> statement-breakpoint
ALTER TABLE "user" ADD COLUMN "organisation" text;--> statement-breakpoint
ALTER TABLE "access_requests" ADD CONSTRAINT "access_requests_user_id_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."user"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_organisation_user_name_fk" FOREIGN KEY ("organisation") REFERENCES "public"."user"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_user_id_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."user"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "members_user" ON "members" USING btree ("user_id");