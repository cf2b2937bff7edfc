CREATE TABLE "schedules" (
	"name" text PRIMARY KEY NOT NULL,
	"next_at" timestamp (3) with time zone NOT NULL,
	"claim_id" text NOT NULL,
	"lease_expires_at" timestamp (3) with time zone NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"result" jsonb,
	"error" text
);
--> statement-breakpoint
ALTER TABLE "blobs" ADD COLUMN "announced_at" timestamp (3) with time zone DEFAULT now() NOT NULL;