/* Texts of keyword='value' as libpq reads them. */
#ifndef BACKEND_CONNINFO_H
#define BACKEND_CONNINFO_H

#include "backend/base/strbuf.h"

#include <libpq-fe.h>

/* Adds " keyword='value'" with what libpq needs escaped. */
void conninfo_add(struct strbuf *text, const char *keyword, const char *value);

/* The value of a keyword, or NULL when it is absent or empty; so it is when options is NULL. */
const char *conninfo_value(const PQconninfoOption *options, const char *keyword);

#endif
