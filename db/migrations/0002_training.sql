CREATE TABLE "files" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"filename" text NOT NULL,
	"purpose" text NOT NULL,
	"size" bigint,
	"sha256" text,
	"upload_id" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "training_checkpoints" (
	"id" text PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"step" integer NOT NULL,
	"lease_id" text NOT NULL,
	"files" jsonb NOT NULL,
	"metrics" jsonb,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "training_events" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"lease_id" text,
	"sequence" integer,
	"type" text NOT NULL,
	"step" integer,
	"level" text NOT NULL,
	"message" text NOT NULL,
	"data" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "training_jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"model" text NOT NULL,
	"base_id" text NOT NULL,
	"parent_id" text,
	"parent_number" integer,
	"target" text NOT NULL,
	"training_file" text NOT NULL,
	"training_sha256" text NOT NULL,
	"validation_file" text,
	"validation_sha256" text,
	"hyperparameters" jsonb NOT NULL,
	"decided" jsonb,
	"seed" integer NOT NULL,
	"metadata" jsonb NOT NULL,
	"status" text NOT NULL,
	"pausing" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"estimated_finish" timestamp (3) with time zone,
	"trained_tokens" bigint,
	"error" jsonb,
	"fine_tuned_model" text,
	"draft_id" text,
	"lease_id" text,
	"lease_expires_at" timestamp (3) with time zone,
	"losses" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
ALTER TABLE "drafts" ADD COLUMN "lineage" jsonb;--> statement-breakpoint
ALTER TABLE "drafts" ADD COLUMN "receipt" jsonb;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "lineage" jsonb;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "receipt" jsonb;--> statement-breakpoint
ALTER TABLE "files" ADD CONSTRAINT "files_user_id_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."user"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "training_checkpoints" ADD CONSTRAINT "training_checkpoints_job_id_training_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."training_jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "training_events" ADD CONSTRAINT "training_events_job_id_training_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."training_jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "training_jobs" ADD CONSTRAINT "training_jobs_user_id_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."user"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "training_jobs" ADD CONSTRAINT "training_jobs_base_id_bases_id_fk" FOREIGN KEY ("base_id") REFERENCES "public"."bases"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "files_user" ON "files" USING btree ("user_id","created_at" DESC NULLS LAST,"id");--> statement-breakpoint
CREATE UNIQUE INDEX "training_checkpoints_declared" ON "training_checkpoints" USING btree ("job_id","step","lease_id");--> statement-breakpoint
CREATE UNIQUE INDEX "training_checkpoints_kept" ON "training_checkpoints" USING btree ("job_id","step") WHERE metrics is not null;--> statement-breakpoint
CREATE INDEX "training_events_job" ON "training_events" USING btree ("job_id","id" DESC NULLS LAST);--> statement-breakpoint
CREATE UNIQUE INDEX "training_events_sequence" ON "training_events" USING btree ("job_id","lease_id","sequence");--> statement-breakpoint
CREATE UNIQUE INDEX "training_events_step" ON "training_events" USING btree ("job_id","step");--> statement-breakpoint
CREATE INDEX "training_jobs_user" ON "training_jobs" USING btree ("user_id","created_at" DESC NULLS LAST,"id");--> statement-breakpoint
CREATE INDEX "training_jobs_lease" ON "training_jobs" USING btree ("lease_expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "training_jobs_lease_id" ON "training_jobs" USING btree ("lease_id");