// Builds dist/ from src/: one style sheet, one script and the fonts, each named by its content,
// and manifest.json, by which the pages find them. Run it with: npm ci && npm run build
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import * as sass from 'sass'
import { feature } from 'topojson-client'

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

await writeFile(`${out}/finland.json`, JSON.stringify(await outline('Finland')) + '\n')
manifest['finland.json'] = 'finland.json'

const licences = [
  ['govuk-frontend (MIT)', `${here}src/licences/govuk-frontend.txt`],
  ['htmx (Zero-Clause BSD)', `${here}node_modules/htmx.org/LICENSE`],
  ['Source Sans 3 (SIL Open Font License 1.1)', `${here}node_modules/@fontsource/source-sans-3/LICENSE`],
  ['world-atlas (ISC), made from Natural Earth, which is in the public domain', `${here}node_modules/world-atlas/LICENSE`]
]
const texts = []
for (const [name, file] of licences) {
  texts.push(`${name}\n${'='.repeat(name.length)}\n\n${(await readFile(file, 'utf8')).trim()}\n`)
}
await writeFile(`${out}/licences.txt`, texts.join('\n\n'))
manifest['licences.txt'] = 'licences.txt'
await writeFile(`${out}/manifest.json`, JSON.stringify(manifest, null, 2) + '\n')
console.log(Object.values(manifest).join('\n'))

// The outline of one country, projected so that places can be drawn on it: transverse Mercator on a
// sphere. app/web/country_map.py has the same formula.
async function outline (name) {
  const meridian = 27
  const height = 1000
  const atlas = JSON.parse(await readFile(`${here}node_modules/world-atlas/countries-10m.json`, 'utf8'))
  const country = feature(atlas, atlas.objects.countries).features.find(each => each.properties.name === name)
  const radians = degrees => degrees * Math.PI / 180
  const project = ([lon, lat]) => [
    Math.atanh(Math.cos(radians(lat)) * Math.sin(radians(lon - meridian))),
    Math.atan2(Math.tan(radians(lat)), Math.cos(radians(lon - meridian)))
  ]
  const rings = country.geometry.coordinates.flat().map(ring => ring.map(project))
  const xs = rings.flat().map(([x]) => x)
  const ys = rings.flat().map(([, y]) => y)
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const scale = height / (top - bottom)
  const path = rings.map(ring => {
    const points = ring.map(([x, y]) => `${Math.round((x - left) * scale)} ${Math.round((top - y) * scale)}`)
    return points.filter((point, place) => point !== points[place - 1])
  }).filter(points => points.length > 4).map(points => `M${points.join('L')}Z`).join('')
  return { width: Math.round((right - left) * scale), height, path, meridian, scale, left, top }
}
