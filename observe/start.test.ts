import { ExportResultCode } from '@opentelemetry/core';
import type { Logger } from 'pino';
import { expect, it } from 'vitest';
import { Told } from './start.ts';

it('an operator hears when traces begin to be dropped, and when they are sent again', () => {
  const { SUCCESS, FAILED } = ExportResultCode;
  const codes = [SUCCESS, FAILED, FAILED, SUCCESS, SUCCESS, FAILED];
  const lines: unknown[] = [];
  const log = {
    error: (fields: object, message: string) => lines.push([message, fields]),
    info: (message: string) => lines.push([message]),
  } as unknown as Logger;
  const exporter = {
    export: (_spans: unknown, done: (result: { code: ExportResultCode; error: Error }) => void) =>
      done({ code: codes.shift()!, error: new Error('Bad Request') }),
    shutdown: async () => undefined,
  };
  const told = new Told(exporter, log);
  while (codes.length > 0) told.export([], () => undefined);
  const dropped = ['traces cannot be sent, and are dropped', { error: 'Bad Request' }];
  expect(lines).toEqual([dropped, ['traces are sent again'], dropped]);
});
