DROP INDEX "adapters_search";--> statement-breakpoint
DROP INDEX "adapters_names";--> statement-breakpoint
DROP INDEX "adapters_labels";--> statement-breakpoint
CREATE INDEX "adapters_found_by" ON "adapters" USING gin ("search","names","labels");