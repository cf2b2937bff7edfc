CREATE TABLE "refs" (
	"adapter_id" text NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"number" integer NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "refs_adapter_id_kind_name_pk" PRIMARY KEY("adapter_id","kind","name")
);
--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "branch" text;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "parent" integer;--> statement-breakpoint
ALTER TABLE "refs" ADD CONSTRAINT "refs_adapter_id_number_versions_adapter_id_number_fk" FOREIGN KEY ("adapter_id","number") REFERENCES "public"."versions"("adapter_id","number") ON DELETE no action ON UPDATE no action;