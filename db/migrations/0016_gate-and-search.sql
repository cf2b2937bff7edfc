DROP INDEX "verifications_open";--> statement-breakpoint
ALTER TABLE "verifications" ADD COLUMN "rerun" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "verifications" ADD COLUMN "turn" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "adapters_name_prefix" ON "adapters" USING btree ("name" collate "C","id");--> statement-breakpoint
CREATE INDEX "adapters_rank" ON "adapters" USING btree ("rank");--> statement-breakpoint
-- One that is worked on stays; of those that wait, the oldest.
DELETE FROM "verifications" v USING (
  SELECT id, row_number() OVER (PARTITION BY adapter_id, number ORDER BY status, created_at, id) AS place
  FROM "verifications" WHERE status in ('waiting', 'running')
) o WHERE v.id = o.id AND o.place > 1;--> statement-breakpoint
UPDATE "verifications" v SET rerun = true FROM "versions" s
WHERE s.adapter_id = v.adapter_id AND s.number = v.number AND s.status = 'passed' AND v.status in ('waiting', 'running');--> statement-breakpoint
CREATE UNIQUE INDEX "verifications_open_once" ON "verifications" USING btree ("adapter_id","number") WHERE status in ('waiting', 'running');--> statement-breakpoint
CREATE INDEX "verifications_open" ON "verifications" USING btree ("rerun","turn","created_at") WHERE status in ('waiting', 'running');