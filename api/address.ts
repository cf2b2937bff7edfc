/** Who is counted where nobody shows a key. */
import type { Context } from 'hono';
import ipaddr from 'ipaddr.js';
import type { AppEnv } from './context.ts';

/** Of the eight parts of an IPv6 address: a line has the rest, 2^64 addresses, to itself. */
const NETWORK_PARTS = 4;
/** Some proxies hand on a port as well, which is another one for each connection. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d+)?$/;
/** What a proxy hands on may be anything. */
const LONGEST = 64;

/** @returns an IPv4 address as it is, also one that is written as IPv6; of IPv6 the network, which is somebody's line */
export function countedAs(handedOn: string): string {
  const [, v6, v4] = WITH_PORT.exec(handedOn) ?? [];
  const address = v6 ?? v4 ?? handedOn;
  if (!ipaddr.isValid(address)) return address.slice(0, LONGEST);
  const parsed = ipaddr.parse(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString();
  const network = parsed.parts.map((part, i) => (i < NETWORK_PARTS ? part : 0));
  return `${new ipaddr.IPv6(network)}/64`;
}

/**
 * The address that a request came from, as it is counted; the one that the proxy in front saw, where there is one.
 * @param peerOf the address at the other end of a request's connection
 */
export const addressOf =
  (trustProxy: boolean, peerOf: (c: Context<AppEnv>) => string | undefined) => (c: Context<AppEnv>) => {
    const forwarded = trustProxy ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
    return countedAs(forwarded || peerOf(c) || 'unknown');
  };
