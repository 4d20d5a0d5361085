#include "backend/conninfo.h"

#include <string.h>

void conninfo_add(struct strbuf *text, const char *keyword, const char *value)
{
    strbuf_addf(text, "%s%s='", text->len ? " " : "", keyword);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            strbuf_addc(text, '\\');
        strbuf_addc(text, *value);
    }
    strbuf_addc(text, '\'');
}

const char *conninfo_value(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++) {
        if (!strcmp(options->keyword, keyword))
            return options->val && *options->val ? options->val : NULL;
    }
    return NULL;
}
