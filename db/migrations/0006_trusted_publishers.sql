CREATE TABLE "trusted_publishers" (
	"id" text PRIMARY KEY NOT NULL,
	"adapter_id" text NOT NULL,
	"issuer" text NOT NULL,
	"claims" jsonb NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "trusted_publishers" ADD CONSTRAINT "trusted_publishers_created_by_user_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."user"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "trusted_publishers_issuer" ON "trusted_publishers" USING btree ("issuer");--> statement-breakpoint
CREATE INDEX "trusted_publishers_adapter" ON "trusted_publishers" USING btree ("adapter_id");