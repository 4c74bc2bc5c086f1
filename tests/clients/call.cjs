'use strict'
// Calls Resend's client for Node as a script on stdin says, and prints what each call gave. The versions are beside each
// other in the folder that it is started in. {"$buffer": base64} is a Buffer, {"$id": n} the id that call n gave.

const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const load = createRequire(`${process.cwd()}/`)

const script = JSON.parse(readFileSync(0, 'utf8'))
const answers = []

const meant = (value) => {
    if (value === null || typeof value !== 'object') return value
    if ('$buffer' in value) return Buffer.from(value.$buffer, 'base64')
    if ('$id' in value) return answers[value.$id].data.id
    if (Array.isArray(value)) return value.map(meant)
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, meant(each)]))
}

const main = async () => {
    for (const { version, key, call, args } of script) {
        const { Resend } = load(`resend${version}`)
        const areas = call.split('.')
        const method = areas.pop()
        const area = areas.reduce((within, name) => within[name], new Resend(key))
        const { data, error } = await area[method](...meant(args))
        answers.push({ data, error })
    }
    process.stdout.write(JSON.stringify(answers))
}

main()
