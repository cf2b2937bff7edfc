CREATE TABLE "base_demand" (
	"base_id" text PRIMARY KEY NOT NULL,
	"arrivals" bigint DEFAULT 0 NOT NULL,
	"asked_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"desired" integer DEFAULT 0 NOT NULL,
	"state" jsonb
);
--> statement-breakpoint
CREATE TABLE "runners" (
	"url" text PRIMARY KEY NOT NULL,
	"health" jsonb NOT NULL,
	"heard_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "base_demand" ADD CONSTRAINT "base_demand_base_id_bases_id_fk" FOREIGN KEY ("base_id") REFERENCES "public"."bases"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "runners_heard" ON "runners" USING btree ("heard_at");