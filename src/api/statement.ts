/** A statement with what proves it, as every API passes it on: the text is signed as it is, and nothing changes it. */
import { z } from 'zod';
import { Sha256Hex } from '../core/ids.ts';
import { MAX_SIGNATURE_CHARS, MAX_STATEMENT_CHARS } from '../core/statement.ts';

export const SignedStatement = z
  .object({
    /** JSON, in the one form that is signed: fleet, id, kind, time, version and what the kind is about. */
    statement: z.string().min(1).max(MAX_STATEMENT_CHARS),
    /** Base64. */
    signature: z.string().min(1).max(MAX_SIGNATURE_CHARS),
    /** SHA-256 of the SubjectPublicKeyInfo of the admin key that signed it. */
    key: Sha256Hex,
  })
  .meta({ id: 'SignedStatement' });
