DROP INDEX "tasks_open";--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "turn" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "training_jobs" ADD COLUMN "turn" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "training_jobs_open" ON "training_jobs" USING btree ("turn") WHERE status in ('validating_files', 'queued', 'running');--> statement-breakpoint
CREATE INDEX "tasks_open" ON "tasks" USING btree ("turn","created_at") WHERE status in ('queued', 'running');