/** Keys of RSASSA-PKCS1-v1_5: this program makes none, and signs by them only where a repository lists them. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { type SigningKey, signingKeyFromPem } from './signing-keys.ts';

/** The least that counts: longer ones take seconds to make. */
const RSA_BITS = 2048;

export const generatePkcs1v15Key = (): SigningKey => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
  const rsa = signingKeyFromPem(privateKey.export({ format: 'pem', type: 'pkcs8' }) as string);
  const listed = { ...rsa.listed, scheme: 'rsa-pkcs1v15-sha256' };
  return {
    ...rsa,
    listed,
    keyId: createHash('sha256').update(JSON.stringify(listed)).digest('hex'),
    sign: message => sign('sha256', message, privateKey).toString('hex'),
  };
};
