#include "tui/input.h"
#include "tui/text.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// NOLINTNEXTLINE(readability-non-const-parameter)
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static void check_key(const struct input *input, uint32_t key)
{
    char name[32];
    uint32_t back;

    if (key == KEYCODE_NONE)
        return;
    if (!*key_name(key, name, sizeof name) || !strcmp(name, "?"))
        if (key != '?')
            abort();
    if (key == KEYCODE_PASTE && strlen(input->paste) > INPUT_PASTE_MAX)
        abort();
    if (key == KEYCODE_MOUSE && (input->mouse.x < 0 || input->mouse.y < 0 ||
                                 input->mouse.button < 1 || input->mouse.button > 5))
        abort();
    if (key_parse(name, &back) && back != key)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {0};
    char *name = malloc(size + 1);
    uint32_t key;

    for (size_t i = 0; i < size; i++) {
        check_key(&input, input_byte(&input, data[i]));
        if (data[i] % 16 == 7 && input_pending(&input))
            check_key(&input, input_timeout(&input));
    }
    while (input_pending(&input))
        check_key(&input, input_timeout(&input));
    memcpy(name, data, size);
    name[size] = '\0';
    key_parse(name, &key);
    free(name);
    return 0;
}
