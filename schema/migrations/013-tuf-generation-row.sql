-- Generation 1 wants nothing; the digest is the SHA-256 of no bytes.
INSERT INTO tuf_generation (singleton, generation, digest)
VALUES (true, 1, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
ON CONFLICT (singleton) DO NOTHING;
