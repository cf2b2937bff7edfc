-- Unlogged, by hand: nothing of it is worth a write to the log, and a crash may empty it.
CREATE UNLOGGED TABLE "rate_buckets" (
	"bucket" text NOT NULL,
	"who" text NOT NULL,
	"full_at" timestamp with time zone NOT NULL,
	"granted" integer NOT NULL,
	CONSTRAINT "rate_buckets_bucket_who_pk" PRIMARY KEY("bucket","who")
);
--> statement-breakpoint
CREATE INDEX "rate_buckets_full" ON "rate_buckets" USING btree ("full_at");