/**
 * A card as HTML that is safe to show: raw HTML is left out, and what Markdown makes is held against GitHub's list of elements,
 * attributes and protocols.
 */
import { LRUCache } from 'lru-cache';
import rehypeSanitize, { defaultSchema } from 'rehype-sanitize';
import rehypeStringify from 'rehype-stringify';
import remarkGfm from 'remark-gfm';
import remarkParse from 'remark-parse';
import remarkRehype from 'remark-rehype';
import { unified } from 'unified';

/** Characters that are shown: a page is read, and a hostile card costs time. */
const MAX_CHARACTERS = 32_768;
/** No card nests deeper, and what does costs more than its length. */
const MAX_NESTING = 32;

const schema = {
  ...defaultSchema,
  protocols: { ...defaultSchema.protocols, href: ['https', 'http', 'mailto'], src: ['https'] },
};

interface Node {
  type: string;
  tagName?: string;
  value?: string;
  properties?: Record<string, unknown>;
  children?: Node[];
}

const textOf = (node: Node): string =>
  node.type === 'text' ? (node.value ?? '') : (node.children ?? []).map(textOf).join('');

/** Of a list of tasks: its box is named by what stands beside it. */
function nameBox(item: Node): void {
  const box = [item, ...(item.children ?? [])]
    .flatMap(({ children = [] }) => children)
    .find(({ tagName }) => tagName === 'input');
  if (box) box.properties = { ...box.properties, ariaLabel: textOf(item).trim() };
}

/** Links lead to strangers, and lend them nothing of ours; what scrolls can be reached by a keyboard, and what is ticked has a name. */
function finished() {
  const visit = (node: Node): void => {
    if (node.tagName === 'a') node.properties = { ...node.properties, rel: ['nofollow', 'noopener', 'ugc'] };
    if (node.tagName === 'img')
      node.properties = { ...node.properties, referrerPolicy: 'no-referrer', loading: 'lazy' };
    if (node.tagName === 'pre' || node.tagName === 'table')
      node.properties = { ...node.properties, tabIndex: 0 };
    if (node.tagName === 'li') nameBox(node);
    // A header that heads nothing is none to a screen reader.
    if (node.tagName === 'th' && node.children?.length === 0) node.tagName = 'td';
    node.children?.forEach(visit);
  };
  return visit as (tree: unknown) => void;
}

const processor = unified()
  .use(remarkParse)
  .use(remarkGfm)
  .use(remarkRehype)
  .use(rehypeSanitize, schema)
  .use(finished)
  .use(rehypeStringify);

/** The worst cards cost most of a second, and every look at a page would pay it. */
const rendered = new LRUCache<string, string>({ max: 500 });

export function cardHtml(card: string): string {
  const body = card.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n?/, '').slice(0, MAX_CHARACTERS);
  const known = rendered.get(body);
  if (known !== undefined) return known;
  const html = String(processor.processSync(flattened(body)));
  rendered.set(body, html);
  return html;
}

/** Nesting marks (quotes, lists, brackets, emphasis) beyond what anybody writes are taken out before they are parsed. */
function flattened(text: string): string {
  return text
    .replace(new RegExp(`^((?:[ \\t]*[>*+-]){${MAX_NESTING}})[ \\t>*+-]*`, 'gm'), '$1 ')
    .replace(new RegExp(`([[\\](){}*_~\`!])\\1{${MAX_NESTING},}`, 'g'), '$1');
}
