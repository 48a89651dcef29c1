ALTER TABLE api_key ADD COLUMN last_used_at BIGINT;

-- Whose signed tokens are taken, and what they may say; key is a public key in PEM or a shared secret.
CREATE TABLE issuer (
  iss TEXT PRIMARY KEY,
  audience TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  jwks_url TEXT,
  key TEXT,
  owner_claim TEXT NOT NULL,
  owner_prefix TEXT NOT NULL,
  makes_owners BIGINT NOT NULL,
  scope_claim TEXT,
  scopes TEXT NOT NULL,
  leeway_s BIGINT NOT NULL,
  lifetime_s_max BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  CHECK ((jwks_url IS NULL) <> (key IS NULL))
) WITHOUT ROWID;

-- Single tokens that are no longer taken; expires_at is when they would not be taken anyway.
CREATE TABLE revoked_token (
  iss TEXT NOT NULL,
  jti TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (iss, jti)
) WITHOUT ROWID;

-- What an owner may call, where it differs from the plan of all; count_max 0 is no limit.
CREATE TABLE owner_limit (
  owner BIGINT NOT NULL,
  name TEXT NOT NULL,
  count_max BIGINT NOT NULL,
  window_s BIGINT NOT NULL,
  PRIMARY KEY (owner, name)
) WITHOUT ROWID;

-- What all processes together have counted: worthless after ends_us.
CREATE TABLE rate (
  subject TEXT NOT NULL,
  name TEXT NOT NULL,
  ends_us BIGINT NOT NULL,
  taken BIGINT NOT NULL,
  PRIMARY KEY (subject, name)
) WITHOUT ROWID;
