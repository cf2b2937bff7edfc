ALTER TABLE "training_jobs" ADD COLUMN "traceparent" text;--> statement-breakpoint
ALTER TABLE "verifications" ADD COLUMN "traceparent" text;