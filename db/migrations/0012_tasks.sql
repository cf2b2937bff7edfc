CREATE TABLE "tasks" (
	"id" text PRIMARY KEY NOT NULL,
	"function" text NOT NULL,
	"user_id" text NOT NULL,
	"order" jsonb NOT NULL,
	"idempotency_key" text,
	"status" text NOT NULL,
	"progress" jsonb,
	"result" jsonb,
	"error" jsonb,
	"files" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"files_expire_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"lease_id" text,
	"lease_expires_at" timestamp (3) with time zone,
	"runner" text,
	"losses" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_user_id_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."user"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "tasks_user" ON "tasks" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "tasks_open" ON "tasks" USING btree ("created_at") WHERE status in ('queued', 'running');--> statement-breakpoint
CREATE INDEX "tasks_files" ON "tasks" USING btree ("files_expire_at") WHERE files <> '[]';--> statement-breakpoint
CREATE UNIQUE INDEX "tasks_lease" ON "tasks" USING btree ("lease_id");--> statement-breakpoint
CREATE UNIQUE INDEX "tasks_idempotency" ON "tasks" USING btree ("user_id","idempotency_key");