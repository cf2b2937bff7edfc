CREATE TABLE "verifications" (
	"id" text PRIMARY KEY NOT NULL,
	"adapter_id" text NOT NULL,
	"number" integer NOT NULL,
	"rules" integer NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"lease_id" text,
	"lease_expires_at" timestamp (3) with time zone,
	"runner" text,
	"losses" integer DEFAULT 0 NOT NULL,
	"problems" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"findings" jsonb,
	"record" text
);
--> statement-breakpoint
ALTER TABLE "training_jobs" ADD COLUMN "submitted" integer;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "status" text DEFAULT 'pending' NOT NULL;--> statement-breakpoint
-- What was listed before there was a gate stays listed, and is verified in its turn.
UPDATE "versions" SET "status" = 'passed';--> statement-breakpoint
ALTER TABLE "verifications" ADD CONSTRAINT "verifications_adapter_id_number_versions_adapter_id_number_fk" FOREIGN KEY ("adapter_id","number") REFERENCES "public"."versions"("adapter_id","number") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "verifications_version" ON "verifications" USING btree ("adapter_id","number","created_at" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "verifications_open" ON "verifications" USING btree ("created_at") WHERE status in ('waiting', 'running');--> statement-breakpoint
CREATE UNIQUE INDEX "verifications_lease" ON "verifications" USING btree ("lease_id");