/**
 * Sends to addresses that strangers name. Names are looked up here, and every address that comes of it must be a public one: a
 * name that leads somewhere else the second time is looked at the second time too. Redirects are not followed.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, request } from 'undici';
import { POST_MS } from '../../functions/ports.ts';

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
    // Whoever named it reads this: which names there are within our network, and where they lead, is not told.
    if (error || !addresses.every(({ address }) => isPublic(address)))
      return found(new UnsafeAddress(`${hostname} does not lead to a public address`));
    if (options.all) return found(null, addresses);
    found(null, addresses[0]!.address, addresses[0]!.family);
  });
}

const guarded = new Agent({ connect: { lookup: publicOnly as never, timeout: POST_MS } });
const open = new Agent({ connect: { timeout: POST_MS } });

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
    // undici's own limits are on each pause, and a server may send a byte now and then.
    signal: AbortSignal.timeout(POST_MS),
  });
  answer.on('error', () => undefined).destroy();
  return statusCode;
}
