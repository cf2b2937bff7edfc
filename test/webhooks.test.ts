/** Webhooks: told once something has happened, signed, again until they are heard, and never into our own network. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { Webhook as Signature } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { isPublic, safePost } from '../api/embedded/safe-post.ts';
import { addEvent } from '../db/webhooks.ts';
import { invoke } from '../functions/definition.ts';
import { POST_MS, type Post } from '../functions/ports.ts';
import { webhook } from '../functions/webhook.ts';
import { base, InProcess } from './in-process.ts';

interface Heard {
  readonly headers: Record<string, string>;
  readonly body: string;
}

let api: InProcess;
let alice: string;
let server: Server;
let url: string;
let heard: Heard[] = [];
let answers: number[] = [];

beforeAll(async () => {
  api = await InProcess.open();
  alice = await api.key('alice', ['read', 'publish', 'manage']);
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      heard.push({ headers: request.headers as Record<string, string>, body });
      response.writeHead(answers.shift() ?? 204, { location: 'http://169.254.169.254/' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
beforeEach(() => {
  heard = [];
  answers = [];
});
afterEach(() => {
  expect(api.unexpected).toEqual([]);
});
afterAll(async () => {
  server.close();
  await api.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
const json = async (method: string, path: string, body?: object): Promise<any> =>
  (await api.call(method, path, body, alice)).json();

const later = (seconds: number) => {
  api.now = new Date(api.now.getTime() + seconds * 1000);
};
const deliver = async () => {
  const { db, now } = api.deps;
  const post: Post = (to, headers, body) => safePost(true, to, headers, body);
  return (await invoke(webhook, {}, { db, now, post })).tried;
};

let count = 0;
async function publish(): Promise<string> {
  const id = `alice/told-${++count}`;
  const good = sampleAdapter(base);
  const files = {
    'adapter_config.json': good.config,
    'adapter_model.safetensors': good.weights,
    'README.md': `# ${id}\n`,
  };
  expect((await api.publish(`/api/adapters/${id}/versions`, files, alice)).status).toBe(200);
  later(5);
  return id;
}

async function hooked<T>(
  kinds: string[],
  work: (hook: { id: string; secret: string }) => Promise<T>,
): Promise<T> {
  const hook = await json('POST', '/api/webhooks', { url, kinds });
  try {
    return await work(hook);
  } finally {
    await api.call('DELETE', `/api/webhooks/${hook.id}`, undefined, alice);
  }
}

describe('a webhook', () => {
  it('is told what it asked for, signed, once', () =>
    hooked(['version.submitted', 'version.listed'], async ({ secret }) => {
      const id = await publish();
      await Promise.all([deliver(), deliver()]);
      expect(await deliver()).toBe(0);
      expect(heard.map(({ body }) => JSON.parse(body).type).sort()).toEqual([
        'version.listed',
        'version.submitted',
      ]);
      for (const { headers, body } of heard) {
        // The library looks at the clock: what was sent at another time is not fresh to it.
        const verify = new Signature(secret);
        const at = new Date(Number(headers['webhook-timestamp']) * 1000);
        expect(headers['webhook-signature']).toBe(verify.sign(headers['webhook-id']!, at, body));
        expect(JSON.parse(body)).toMatchObject({ data: { subject: `${id}@1`, digest: expect.any(String) } });
      }
    }));

  it('is told again until it hears, with the same id, and no more when it is gone', () =>
    hooked(['version.listed'], async ({ id }) => {
      answers = [500, 302, 204];
      await publish();
      for (const pause of [0, 6, 61]) {
        later(pause);
        expect(await deliver()).toBe(1);
        expect(await deliver()).toBe(0); // not before its time
      }
      expect(new Set(heard.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      const { deliveries } = await json('GET', `/api/webhooks/${id}/deliveries`);
      expect(deliveries).toMatchObject([
        { status: 'delivered', attempts: 3, answer: '204', kind: 'version.listed' },
      ]);

      expect(
        (
          await api.call(
            'POST',
            `/api/webhooks/${id}/deliveries/${deliveries[0].id}/replay`,
            undefined,
            alice,
          )
        ).status,
      ).toBe(202);
      expect(await deliver()).toBe(1);
      expect(heard).toHaveLength(4);

      answers = [410];
      await publish();
      expect(await deliver()).toBe(1);
      expect(await json('GET', '/api/webhooks')).toMatchObject({ webhooks: [{ id, disabled: true }] });
      await publish();
      expect(await deliver()).toBe(0);
      const again = `/api/webhooks/${id}/deliveries/${deliveries[0].id}/replay`;
      expect((await api.call('POST', again, undefined, alice)).status).toBe(409);
    }));

  it('is given up after a day and a half', () =>
    hooked(['version.listed'], async ({ id }) => {
      answers = Array(20).fill(503);
      await publish();
      let tries = 0;
      for (let hour = 0; hour < 60; hour++) {
        tries += await deliver();
        later(3601);
      }
      expect(tries).toBe(7);
      expect(await json('GET', `/api/webhooks/${id}/deliveries`)).toMatchObject({
        deliveries: [{ status: 'failed', answer: '503' }],
      });
    }));

  it('a server that dies while it tells leaves it to another', () =>
    hooked(['version.listed'], async () => {
      await publish();
      const dies = { db: api.deps.db, now: () => api.now, post: () => new Promise<number>(() => undefined) };
      void invoke(webhook, {}, dies);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await deliver()).toBe(0);
      later(61);
      expect(await deliver()).toBe(1);
      expect(heard).toHaveLength(1);
    }));
});

describe('a slow receiver', () => {
  const trickling = async (first: string, work: (url: string) => Promise<void>) => {
    const slow = createTcpServer((socket) => {
      socket.on('error', () => undefined).write(first);
      const timer = setInterval(() => socket.write('x'), 20);
      socket.on('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    try {
      await work(`http://127.0.0.1:${(slow.address() as AddressInfo).port}/`);
    } finally {
      slow.close();
    }
  };

  it('is not listened to beyond its status', () =>
    trickling('HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n', async (target) => {
      expect(await safePost(true, target, {}, '{}')).toBe(200);
    }));

  it('has so long for all of it, however often it says something', () =>
    trickling('HTTP/1.1 200 OK\r\nx: ', async (target) => {
      const { timeout } = AbortSignal;
      const asked = vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => timeout(300));
      await expect(safePost(true, target, {}, '{}')).rejects.toThrow(/timeout/);
      expect(asked).toHaveBeenCalledExactlyOnceWith(POST_MS);
      asked.mockRestore();
    }));

  it('keeps nobody else waiting', () =>
    hooked(['version.listed'], async () => {
      const { db } = api.deps;
      const bob = await api.key('bob', ['manage']);
      const ofBob = await (
        await api.call('POST', '/api/webhooks', { url: `${url}/bob`, kinds: ['version.listed'] }, bob)
      ).json();
      for (const owner of [...Array(50).fill('alice'), 'bob'])
        await addEvent(db, { actor: null, kind: 'version.listed', subject: `${owner}/x@1`, data: {} });
      later(5);
      const told: string[] = [];
      const post: Post = (to) => {
        told.push(to);
        return to.endsWith('/bob') ? Promise.resolve(204) : new Promise(() => undefined);
      };
      void invoke(webhook, {}, { db, now: () => api.now, post });
      await vi.waitFor(() => expect(told).toContain(`${url}/bob`));
      expect(told).toHaveLength(5); // four of hers
      await api.call('DELETE', `/api/webhooks/${ofBob.id}`, undefined, bob);
    }));

  it('is one of twenty of its owner at most', async () => {
    const made: { id: string }[] = [];
    for (let i = 0; i < 20; i++)
      made.push(await json('POST', '/api/webhooks', { url, kinds: ['version.listed'] }));
    const more = await api.call('POST', '/api/webhooks', { url }, alice);
    expect(more.status).toBe(409);
    expect(await more.json()).toMatchObject({ detail: expect.stringContaining('alice has 20 webhooks') });
    for (const { id } of made) await api.call('DELETE', `/api/webhooks/${id}`, undefined, alice);
  });
});

describe('addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    '::1',
    '::',
    'fe80::1',
    'fc00::1',
    '::ffff:127.0.0.1',
    '64:ff9b::a00:1',
    '2002:7f00:1::',
  ])('%s is not public', (address) => {
    expect(isPublic(address)).toBe(false);
  });

  it('the others are', () => {
    for (const address of ['8.8.8.8', '2606:4700:4700::1111']) expect(isPublic(address)).toBe(true);
  });

  it.each([
    'http://127.0.0.1:1/',
    'http://[::1]:1/',
    'http://localhost:1/',
    'http://2130706433:1/',
    'http://0x7f.1:1/',
    'http://[::ffff:7f00:1]:1/',
  ])('nothing is sent to %s', async (target) => {
    await expect(safePost(false, target, {}, '{}')).rejects.toThrow(
      /^\S+ (is not|does not lead to) a public address$/,
    );
  });

  it('where a name leads, or that there is none, is not told', async () => {
    for (const name of ['localhost', 'nobody.invalid'])
      await expect(safePost(false, `http://${name}:1/`, {}, '{}')).rejects.toThrow(
        `${name} does not lead to a public address`,
      );
  });
});

it('what is done under a name is in its log, with who did it', async () => {
  const key = await json('POST', '/api/keys', { name: 'logged', scopes: ['read'] });
  await json('PATCH', '/api/adapters/alice/told-1', { gate: 'auto' });
  await api.call('DELETE', `/api/keys/${key.id}`, undefined, alice);
  const { events, next } = await json('GET', '/api/audit?limit=3');
  expect(events).toMatchObject([
    { kind: 'key.revoked', subject: 'alice', data: { id: key.id } },
    { kind: 'adapter.settings', subject: 'alice/told-1', actor: 'alice' },
    { kind: 'key.created', subject: 'alice', actor: 'alice', data: { name: 'logged', scopes: ['read'] } },
  ]);
  expect(JSON.stringify(events)).not.toContain(key.key);
  const rest = await json('GET', `/api/audit?before=${next}`);
  expect(rest.events[0].id).toBeLessThan(next);
  expect((await api.call('GET', '/api/audit?all=true', undefined, alice)).status).toBe(403);
  expect((await api.call('GET', '/api/audit?all=true')).status).toBe(200);
});

it('who reports an adapter, and in what words, is seen by whoever runs the server, and not by its owner', async () => {
  const reporter = await api.key('reporter', ['read']);
  const report = { reason: 'licence', message: 'Taken from my employer.' };
  const path = '/api/adapters/alice/told-1/reports';
  expect((await api.call('POST', path, report, reporter)).status).toBe(202);

  const { events } = await json('GET', '/api/audit?limit=1');
  expect(events).toMatchObject([
    { kind: 'adapter.reported', subject: 'alice/told-1', actor: null, data: { reason: 'licence' } },
  ]);
  expect(JSON.stringify(events)).not.toMatch(/reporter|employer/);

  const asAdmin = async (asked: string) => (await api.call('GET', asked)).json();
  expect(await asAdmin('/api/audit?owner=alice&limit=1')).toMatchObject({
    events: [{ actor: 'reporter', data: report }],
  });
  expect(await asAdmin('/api/operator')).toMatchObject({
    reports: [{ adapter: 'alice/told-1', by: 'reporter', ...report }],
  });
});
