import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { lambdaEntry } from './lambda.ts';
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
    const entry = lambdaEntry(tell, async () => ({}) as Ports, { error: (fields) => errors.push(fields) });
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

  it('opens its parts with the first event, and again where that failed', async () => {
    let opened = 0;
    const entry = lambdaEntry(
      tell,
      async () => {
        if (++opened === 1) throw new Error('no database yet');
        return {} as Ports;
      },
      { error: () => undefined },
    );
    const event = { Records: [record('a', '{"text":"three"}')] };
    await expect(entry(event)).rejects.toThrow('no database yet');
    await entry(event);
    await entry(event);
    expect(opened).toBe(2);
  });
});
