/** Why a process was ended is in its log. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const fileUrl = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

it('says why before it ends, though each thread that could write for it is at work', () => {
  const program = `
    import { pbkdf2 } from 'node:crypto';
    import { createLog } from ${fileUrl('../observe/log.ts')};
    import { endHung } from ${fileUrl('./end-hung.ts')};
    const log = createLog('test');
    for (let i = 0; i < 8; i++) pbkdf2('pass', 'salt', 100_000_000, 64, 'sha512', () => undefined);
    setTimeout(() => endHung(log, 'the thread of a base hangs'), 100);`;
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  expect(signal).toBe('SIGABRT');
  expect(String(stderr)).toContain('"msg":"the thread of a base hangs"');
});
