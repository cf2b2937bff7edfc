/** What to paste where. */
import { Link } from 'react-router';
import type { Shown } from '../../pages/adapter.tsx';
import { Snippet } from '../snippet.tsx';

export function Use({ adapter, version, origin }: Shown) {
  const { id } = adapter;
  const { reference, base, number } = version;
  const snippets = {
    'OpenAI, JavaScript': `import OpenAI from 'openai';

const openai = new OpenAI({
  baseURL: '${origin}/v1',
  apiKey: process.env.PATCHBAY_KEY,
});
const answer = await openai.chat.completions.create({
  model: '${reference}',
  messages: [{ role: 'user', content: 'Hello' }],
});
console.log(answer.choices[0].message.content);`,
    'OpenAI, Python': `import os
from openai import OpenAI

client = OpenAI(
    base_url="${origin}/v1",
    api_key=os.environ["PATCHBAY_KEY"],
)
answer = client.chat.completions.create(
    model="${reference}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`,
    curl: `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer $PATCHBAY_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "${reference}",
    "messages": [{"role": "user", "content": "Hello"}]
  }'`,
    'PEFT, in your own process': `# HF_ENDPOINT=${origin} HF_TOKEN=$PATCHBAY_KEY python
from transformers import AutoModelForCausalLM
from peft import PeftModel

base = AutoModelForCausalLM.from_pretrained("${base}")
model = PeftModel.from_pretrained(base, "${id}", revision="v${number}")
merged = model.merge_and_unload()  # no latency is left`,
    vLLM: `export HF_ENDPOINT=${origin} HF_TOKEN=$PATCHBAY_KEY
hf download ${id} --revision v${number} --local-dir ./adapter
vllm serve ${base} --enable-lora --max-lora-rank ${Math.max(8, 2 ** Math.ceil(Math.log2(version.rank)))} \\
  --lora-modules ${adapter.name}=./adapter`,
    // Elsewhere npx would look for a package of that name, whoever has published it.
    'Command line, in a clone of Patchbay': `export PATCHBAY_URL=${origin}
npx patchbay chat ${reference}
npx patchbay pull ${reference} ./adapter`,
  };
  return (
    <>
      <p className="mb-4 text-quiet">
        <code>PATCHBAY_KEY</code> is a key of yours:{' '}
        <Link className="link" to="/settings">
          make one
        </Link>
        . Any client of OpenAI’s API works, by its base URL, key and model alone.
      </p>
      <div className="grid grid-cols-1 gap-4 xl:grid-cols-2">
        {Object.entries(snippets).map(([title, code]) => (
          <Snippet key={title} title={title} code={code} />
        ))}
      </div>
    </>
  );
}
