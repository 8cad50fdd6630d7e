-- What is known of an event beside its columns, by its kind. Absent in rows of versions that kept a text in message.
ALTER TABLE fleet_event ADD COLUMN IF NOT EXISTS details JSONB;
