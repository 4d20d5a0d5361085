#include "tui/theme.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig 1.5 keeps the text of a string that the end of the file cuts off. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

/* inherit must find the shipped themes alone. */
// NOLINTNEXTLINE(readability-non-const-parameter)
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *error;
    struct theme *theme;

    memcpy(text, data, size);
    text[size] = '\0';
    theme = theme_parse("fuzz", text, &error);
    if (theme)
        for (size_t role = 0; role < ROLES; role++)
            if (theme_style(theme, (enum role)role)->attributes > 31)
                abort();
    if (!theme && (!error || !*error))
        abort();
    theme_free(theme);
    free(error);
    free(text);
    return 0;
}
