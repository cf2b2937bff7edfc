ALTER TABLE "adapters" ADD COLUMN "evaluation" jsonb;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "evaluation" jsonb;