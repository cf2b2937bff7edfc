/**
 * `npm test`: the compiler, the linter, then every test. Ends with one plain line, `N passed, N failed`, in which the
 * compiler and the linter count as one test each.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

const Report = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numFailedTestSuites: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().default(''),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

const counts = { passed: 0, failed: 0, skipped: 0 };

function step(name: string, args: readonly string[]): boolean {
  const { status } = spawnSync('npx', ['--no', ...args], { stdio: 'inherit' });
  if (status !== 0) process.stdout.write(`${name} failed\n`);
  return status === 0;
}

if (spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' }).status !== 0) {
  process.stdout.write('the site does not build\n');
  counts.failed++;
}
for (const [name, ...args] of [
  ['tsc', 'tsc'],
  ['biome', 'biome', 'check', '.'],
] as const) {
  counts[step(name, args) ? 'passed' : 'failed']++;
}

const folder = mkdtempSync(join(tmpdir(), 'patchbay-test-'));
const output = join(folder, 'report.json');
const ran = step('vitest', [
  'vitest',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${output}`,
  ...process.argv.slice(2),
]);
try {
  const report = Report.parse(JSON.parse(readFileSync(output, 'utf8')));
  counts.passed += report.numPassedTests;
  counts.failed += report.numFailedTests;
  counts.skipped += report.numPendingTests;
  // A file that does not load holds no failed test, and must not count as none.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  counts.failed += broken.length;
  for (const { assertionResults } of report.testResults) {
    for (const { fullName, status } of assertionResults) {
      if (status === 'pending' || status === 'skipped') process.stdout.write(`skipped: ${fullName}\n`);
    }
  }
  if (!ran && counts.failed === 0) counts.failed++; // an error outside any test
} catch {
  counts.failed++;
}
rmSync(folder, { recursive: true, force: true });

process.stdout.write(
  `${counts.passed} passed, ${counts.failed} failed${counts.skipped ? `, ${counts.skipped} skipped` : ''}\n`,
);
process.exitCode = counts.failed > 0 ? 1 : 0;
