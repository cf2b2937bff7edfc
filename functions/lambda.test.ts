import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { lambdaEntry, type OpenPorts } from './lambda.ts';
import type { Ports } from './ports.ts';

const told: string[] = [];
const tell = defineFunction({
  name: 'tell',
  trigger: { kind: 'queue' },
  needs: { processor: 'cpu', memoryMiB: 128, timeoutSeconds: 10, retries: 3, concurrency: 1 },
  event: z.object({ text: z.string() }),
  result: z.null(),
  handle: async ({ text }, _ports: Ports) => {
    if (text === 'fail') throw new Error('cannot');
    told.push(text);
    return null;
  },
});

/** As SQS sends it. */
const record = (messageId: string, body: string) => ({
  messageId,
  receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a',
  body,
  attributes: {
    ApproximateReceiveCount: '1',
    SentTimestamp: '1764104400000',
    SenderId: 'AIDAIENQZJOLO23YVJ4VO',
    ApproximateFirstReceiveTimestamp: '1764104400012',
  },
  messageAttributes: {},
  md5OfBody: '7b270e59b47ff90a553787216d55d91d',
  eventSource: 'aws:sqs',
  eventSourceARN: 'arn:aws:sqs:us-east-1:123456789012:patchbay-tell',
  awsRegion: 'us-east-1',
});

describe('the entry of a function that SQS starts', () => {
  it('works on every message, and names those that are to come again', async () => {
    const errors: object[] = [];
    const entry = lambdaEntry(
      tell,
      async () => ({ [Symbol.asyncDispose]: async () => undefined }) as unknown as OpenPorts,
      { error: (fields) => errors.push(fields) },
    );
    const Records = [
      record('a', '{"text":"one"}'),
      record('b', '{"text":"fail"}'),
      record('c', 'no JSON'),
      record('d', '{"text":"two"}'),
    ];
    expect(await entry({ Records })).toEqual({
      batchItemFailures: [{ itemIdentifier: 'b' }, { itemIdentifier: 'c' }],
    });
    expect(told).toEqual(['one', 'two']);
    expect(errors).toMatchObject([{ messageId: 'b', error: 'cannot' }, { messageId: 'c' }]);
  });

  it('closes what it opened before the event is over, and opens it anew for the next one', async () => {
    let opened = 0;
    let closed = 0;
    const open = async () => {
      opened++;
      return Object.assign({} as Ports, {
        [Symbol.asyncDispose]: async () => {
          closed++;
        },
      });
    };
    const entry = lambdaEntry(tell, open, { error: () => undefined });
    for (const body of ['{"text":"three"}', '{"text":"fail"}']) {
      await entry({ Records: [record('a', body)] });
      expect(closed).toBe(opened);
    }
    expect(opened).toBe(2);
  });
});
