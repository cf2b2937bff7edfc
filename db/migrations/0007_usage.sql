CREATE TABLE "earnings" (
	"request_id" text NOT NULL,
	"kind" text NOT NULL,
	"adapter_id" text NOT NULL,
	"payee" text NOT NULL,
	"month" text NOT NULL,
	"amount" bigint NOT NULL,
	CONSTRAINT "earnings_request_id_kind_adapter_id_pk" PRIMARY KEY("request_id","kind","adapter_id")
);
--> statement-breakpoint
CREATE TABLE "prices" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"base_id" text,
	"kind" text NOT NULL,
	"per_unit" double precision NOT NULL,
	"owners_share" double precision DEFAULT 0 NOT NULL,
	"since" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "spending" (
	"payer" text NOT NULL,
	"month" text NOT NULL,
	"charge" bigint NOT NULL,
	"closed_at" timestamp (3) with time zone,
	CONSTRAINT "spending_payer_month_pk" PRIMARY KEY("payer","month")
);
--> statement-breakpoint
CREATE TABLE "usage" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"request_id" text NOT NULL,
	"kind" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"month" text NOT NULL,
	"payer" text NOT NULL,
	"model" text NOT NULL,
	"quantity" bigint NOT NULL,
	"charge" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "user" ADD COLUMN "monthly_cap" bigint;--> statement-breakpoint
ALTER TABLE "prices" ADD CONSTRAINT "prices_base_id_bases_id_fk" FOREIGN KEY ("base_id") REFERENCES "public"."bases"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "earnings_payee" ON "earnings" USING btree ("payee","month");--> statement-breakpoint
CREATE INDEX "spending_month" ON "spending" USING btree ("month");--> statement-breakpoint
CREATE UNIQUE INDEX "usage_request" ON "usage" USING btree ("request_id","kind");--> statement-breakpoint
CREATE INDEX "usage_payer" ON "usage" USING btree ("payer","month");