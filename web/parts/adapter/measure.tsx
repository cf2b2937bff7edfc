/** How good an adapter is at what a visitor needs it for: on rows of theirs. */
import { useState } from 'react';
import { dataOf, type Schemas } from '../../api.ts';
import { openai } from '../../openai.ts';
import { browserApi } from '../../routes.tsx';
import { sendFile } from '../../send-file.ts';
import { Failure } from '../action.tsx';
import { DropZone } from '../drop-zone.tsx';
import { signed } from '../format.ts';
import { Beside } from './beside.tsx';
import { TaskProgress, useTask } from './task.tsx';

export function Measure({ reference }: { reference: string }) {
  const { followed, start } = useTask();
  const [failure, setFailure] = useState<unknown>();
  const take = async ([file]: File[]) => {
    if (!file) return;
    setFailure(undefined);
    try {
      const body = { model: reference, file: await sendFile(openai(), file) };
      await start(dataOf(browserApi().POST('/api/tasks/evaluate', { body })));
    } catch (error) {
      setFailure(error);
    }
  };
  return (
    <section className="flex flex-col gap-3">
      <h2>On rows of yours</h2>
      <DropZone
        label="Drop a JSONL file here, or choose one"
        hint='{"messages": […]} that end with the right answer, or {"prompt", "completion"}; only you see what comes of it'
        accept=".jsonl,.json,.txt"
        take={take}
      />
      <Failure of={failure} />
      {followed && <TaskProgress {...followed}>{({ result }) => <Measured result={result} />}</TaskProgress>}
    </section>
  );
}

function Measured({ result }: Pick<Schemas['Task'], 'result'>) {
  if (!result || !('rows' in result) || !result.model || !result.gain) return null;
  const { rows, base, model, gain } = result;
  return (
    <>
      <p>
        On {rows.toLocaleString('en')} rows it is {gain.value < 0 ? 'worse' : 'better'} than its base: its
        gain is <strong>{signed(gain.value)}</strong> nats per token, 95% interval {signed(gain.low)} to{' '}
        {signed(gain.high)}.
      </p>
      <Beside base={base} adapter={model} />
    </>
  );
}
