/** Signs what Patchbay vouches for, so that anybody can check it with any JOSE library and the published key. */
import { calculateJwkThumbprint, type JWK, SignJWT } from 'jose';

/** PKCS #8 around the 32 bytes of an Ed25519 private key: RFC 8410, section 7. */
const PKCS8_PREFIX = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

export interface Signer {
  /** @returns a JSON Web Signature, compact (RFC 7515) */
  sign(payload: Readonly<Record<string, unknown>>): Promise<string>;
  /** The public half, and those of keys that were in use before: a JSON Web Key Set (RFC 7517). */
  readonly keys: { readonly keys: readonly JWK[] };
}

/**
 * @param secret 64 hexadecimal digits: an Ed25519 private key
 * @param former public keys, base64url: what they signed can still be checked
 */
export async function createSigner(secret: string, former: readonly string[] = []): Promise<Signer> {
  const seed = Array.from({ length: 32 }, (_, i) => Number.parseInt(secret.slice(2 * i, 2 * i + 2), 16));
  const pkcs8 = Uint8Array.from([...PKCS8_PREFIX, ...seed]);
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign']);
  const { x } = (await crypto.subtle.exportKey('jwk', key)) as JWK;
  const shown = await published(x!);
  const { kid } = shown;
  return {
    sign: (payload) =>
      new SignJWT({ ...payload }).setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' }).sign(key),
    keys: { keys: [shown, ...(await Promise.all(former.map(published)))] },
  };
}

async function published(x: string) {
  const key = { kty: 'OKP', crv: 'Ed25519', x };
  return { ...key, kid: await calculateJwkThumbprint(key), use: 'sig', alg: 'EdDSA' };
}
