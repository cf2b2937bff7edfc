CREATE INDEX "events_reports" ON "events" USING btree ("id") WHERE kind = 'adapter.reported';
