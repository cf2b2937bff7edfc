/**
 * Sends to addresses that strangers name. Names are looked up here, and every address that comes of it must be a public one: a
 * name that leads somewhere else the second time is looked at the second time too. Redirects are not followed.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, request } from 'undici';

const TIMEOUT_MS = 15_000;

export class UnsafeAddress extends Error {
  override readonly name = 'UnsafeAddress';
}

/** Private networks, this machine, link-local ones where clouds keep their credentials, and what is wrapped in IPv6. */
export function isPublic(address: string): boolean {
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast';
}

type Found = (error: Error | null, address?: string | LookupAddress[], family?: number) => void;

function publicOnly(hostname: string, options: LookupOptions, found: Found): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return found(error);
    const bad = addresses.find(({ address }) => !isPublic(address));
    if (bad)
      return found(new UnsafeAddress(`${hostname} leads to ${bad.address}, which is not a public address`));
    if (options.all) return found(null, addresses);
    found(null, addresses[0]!.address, addresses[0]!.family);
  });
}

const guarded = new Agent({ connect: { lookup: publicOnly as never, timeout: TIMEOUT_MS } });
const open = new Agent({ connect: { timeout: TIMEOUT_MS } });

/** @param anywhere also within our own network. @returns the status. @throws UnsafeAddress, and what the network says */
export async function safePost(
  anywhere: boolean,
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<number> {
  const { hostname } = new URL(url);
  const literal = hostname.replace(/^\[|\]$/g, ''); // looked up by nobody
  if (!anywhere && isIP(literal) && !isPublic(literal))
    throw new UnsafeAddress(`${hostname} is not a public address`);
  const { statusCode, body: answer } = await request(url, {
    method: 'POST',
    headers,
    body,
    dispatcher: anywhere ? open : guarded,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  await answer.dump({ limit: 64 * 1024 }).catch(() => undefined);
  return statusCode;
}
