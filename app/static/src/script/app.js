// What the pages do in the browser: small helps only; each page works without them.
import htmx from 'htmx.org'
import { Button, ErrorSummary, NotificationBanner, PasswordInput, ServiceNavigation, SkipLink, createAll } from 'govuk-frontend'
import { startCopying } from './copy.js'
import { watchLiveParts } from './live.js'

// The components look for these two names before they start.
document.body.classList.add('js-enabled', 'govuk-frontend-supported')

createAll(Button, { preventDoubleClick: true })
createAll(ErrorSummary)
createAll(NotificationBanner)
createAll(PasswordInput)
createAll(ServiceNavigation)
createAll(SkipLink)

startCopying(document.body)
htmx.onLoad(startCopying)
watchLiveParts()
