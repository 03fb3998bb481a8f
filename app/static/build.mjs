// Builds dist/ from src/: one style sheet, one script and the fonts, each named by its content,
// and manifest.json, by which the pages find them. Run it with: npm ci && npm run build
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import * as sass from 'sass'

const here = fileURLToPath(new URL('.', import.meta.url))
const out = `${here}dist`

const style = sass.compile(`${here}src/style/app.scss`, {
  loadPaths: [`${here}node_modules`],
  // Warnings of the framework about itself are not ours to mend.
  quietDeps: true,
  // The framework's own banner would name a brand that is not ours.
  style: 'expanded'
}).css.replace(/\/\*!.*?\*\//gs, '')

await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })

// The framework names itself in its error texts; the name is not ours to show.
const unnamed = {
  name: 'unnamed',
  setup (build) {
    build.onLoad({ filter: /govuk-frontend.*\.mjs$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replaceAll('GOV.UK Frontend', 'Page component'),
      loader: 'js'
    }))
  }
}

const shared = {
  bundle: true,
  minify: true,
  metafile: true,
  legalComments: 'none',
  outdir: out,
  assetNames: '[name]-[hash]',
  entryNames: '[name]-[hash]',
  loader: { '.woff2': 'file' },
  target: ['chrome109', 'firefox115', 'safari16']
}
const built = [
  await esbuild.build({
    ...shared,
    stdin: { contents: style, loader: 'css', resolveDir: here, sourcefile: 'app.css' },
    // Standard input has no name of its own.
    entryNames: 'app-[hash]'
  }),
  await esbuild.build({
    ...shared,
    entryPoints: { app: `${here}src/script/app.js` },
    plugins: [unnamed]
  })
]

const manifest = {}
for (const result of built) {
  for (const path of Object.keys(result.metafile.outputs).sort()) {
    const file = basename(path)
    manifest[file.replace(/-[A-Z0-9]{8}\./, '.')] = file
  }
}
await copyFile(`${here}src/icon.svg`, `${out}/icon.svg`)
manifest['icon.svg'] = 'icon.svg'

const licences = [
  ['govuk-frontend (MIT)', `${here}src/licences/govuk-frontend.txt`],
  ['htmx (Zero-Clause BSD)', `${here}node_modules/htmx.org/LICENSE`],
  ['Source Sans 3 (SIL Open Font License 1.1)', `${here}node_modules/@fontsource/source-sans-3/LICENSE`]
]
const texts = []
for (const [name, file] of licences) {
  texts.push(`${name}\n${'='.repeat(name.length)}\n\n${(await readFile(file, 'utf8')).trim()}\n`)
}
await writeFile(`${out}/licences.txt`, texts.join('\n\n'))
manifest['licences.txt'] = 'licences.txt'
await writeFile(`${out}/manifest.json`, JSON.stringify(manifest, null, 2) + '\n')
console.log(Object.values(manifest).join('\n'))
