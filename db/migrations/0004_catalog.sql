CREATE EXTENSION IF NOT EXISTS pg_trgm;
--> statement-breakpoint
CREATE TABLE "downloads" (
	"adapter_id" text NOT NULL,
	"day" date NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "downloads_adapter_id_day_pk" PRIMARY KEY("adapter_id","day")
);
--> statement-breakpoint
CREATE TABLE "label_counts" (
	"label" text PRIMARY KEY NOT NULL,
	"count" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "likes" (
	"adapter_id" text NOT NULL,
	"user_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "likes_adapter_id_user_id_pk" PRIMARY KEY("adapter_id","user_id")
);
--> statement-breakpoint
DROP INDEX "adapters_tags";--> statement-breakpoint
DROP INDEX "adapters_base";--> statement-breakpoint
DROP INDEX "adapters_owner";--> statement-breakpoint
DROP INDEX "adapters_newest";--> statement-breakpoint
DROP INDEX "files_user";--> statement-breakpoint
DROP INDEX "training_events_job";--> statement-breakpoint
DROP INDEX "training_jobs_user";--> statement-breakpoint
DROP INDEX "verifications_version";--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "eval_gain" real;--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "names_text" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "names" "tsvector" GENERATED ALWAYS AS (to_tsvector('english', names_text)) STORED;--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "labels" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "downloads" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "adapters" ADD COLUMN "likes" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "eval_gain" real;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "evaluated_on" text;--> statement-breakpoint
ALTER TABLE "downloads" ADD CONSTRAINT "downloads_adapter_id_adapters_id_fk" FOREIGN KEY ("adapter_id") REFERENCES "public"."adapters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "likes" ADD CONSTRAINT "likes_adapter_id_adapters_id_fk" FOREIGN KEY ("adapter_id") REFERENCES "public"."adapters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "likes" ADD CONSTRAINT "likes_user_id_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."user"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "downloads_day" ON "downloads" USING btree ("day");--> statement-breakpoint
-- As adapterFacts of api/versions.ts makes them.
UPDATE "adapters" SET
  "names_text" = id || ' ' || translate(id, '/_.-', '    ') || ' ' || title,
  "labels" = array_remove(array['owner:' || owner, 'base:' || base_id, 'task:' || task, 'license:' || license,
      'rank:' || case when rank <= 4 then '4' when rank <= 8 then '8' when rank <= 16 then '16' when rank <= 32 then '32'
        when rank <= 64 then '64' when rank <= 128 then '128' else 'more' end,
      'size:' || case when size <= 1000000 then '1MB' when size <= 10000000 then '10MB' when size <= 100000000 then '100MB'
        when size <= 1000000000 then '1GB' else 'more' end], null)
    || array(select 'language:' || one from unnest(languages) one)
    || array(select 'tag:' || one from unnest(tags) one);--> statement-breakpoint
CREATE INDEX "adapters_names" ON "adapters" USING gin ("names");--> statement-breakpoint
CREATE INDEX "adapters_names_trigrams" ON "adapters" USING gin ("names_text" gin_trgm_ops);--> statement-breakpoint
CREATE INDEX "adapters_labels" ON "adapters" USING gin ("labels");--> statement-breakpoint
CREATE INDEX "adapters_downloads" ON "adapters" USING btree ("downloads","created_at","id");--> statement-breakpoint
CREATE INDEX "adapters_likes" ON "adapters" USING btree ("likes","created_at","id");--> statement-breakpoint
CREATE INDEX "adapters_gain" ON "adapters" USING btree ("eval_gain","created_at","id") WHERE eval_gain is not null;--> statement-breakpoint
CREATE INDEX "versions_parent" ON "versions" USING btree ((lineage->>'parent'));--> statement-breakpoint
CREATE INDEX "adapters_newest" ON "adapters" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "files_user" ON "files" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "training_events_job" ON "training_events" USING btree ("job_id","id");--> statement-breakpoint
CREATE INDEX "training_jobs_user" ON "training_jobs" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "verifications_version" ON "verifications" USING btree ("adapter_id","number","created_at");