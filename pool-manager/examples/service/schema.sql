-- The tables of the example service, and something to order. There must be a role `reports`.
CREATE TABLE IF NOT EXISTS item (name text PRIMARY KEY, pieces int NOT NULL CHECK (pieces >= 0));

CREATE TABLE IF NOT EXISTS orders (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    item text NOT NULL REFERENCES item,
    pieces int NOT NULL CHECK (pieces > 0)
);

INSERT INTO item VALUES ('desk', 20), ('lamp', 100) ON CONFLICT DO NOTHING;

GRANT SELECT ON item, orders TO reports;
