ALTER TABLE api_key ADD COLUMN last_used_at bigint;

-- Whose signed tokens are taken, and what they may say; key is a public key in PEM or a shared secret.
CREATE TABLE issuer (
  iss text COLLATE "C" PRIMARY KEY,
  audience text NOT NULL,
  algorithm text NOT NULL,
  jwks_url text,
  key text,
  owner_claim text NOT NULL,
  owner_prefix text NOT NULL,
  makes_owners bigint NOT NULL,
  scope_claim text,
  scopes text NOT NULL,
  leeway_s bigint NOT NULL,
  lifetime_s_max bigint NOT NULL,
  created_at bigint NOT NULL,
  CHECK ((jwks_url IS NULL) <> (key IS NULL))
);

-- Single tokens that are no longer taken; expires_at is when they would not be taken anyway.
CREATE TABLE revoked_token (
  iss text COLLATE "C" NOT NULL,
  jti text COLLATE "C" NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (iss, jti)
);

-- What an owner may call, where it differs from the plan of all; count_max 0 is no limit.
CREATE TABLE owner_limit (
  owner bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  count_max bigint NOT NULL,
  window_s bigint NOT NULL,
  PRIMARY KEY (owner, name)
);

-- What all processes together have counted: worthless after ends_us, so a crash may empty it.
CREATE UNLOGGED TABLE rate (
  subject text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  ends_us bigint NOT NULL,
  taken bigint NOT NULL,
  PRIMARY KEY (subject, name)
);
