/* The : line: words of the command table and names of bindings. */
#include "tui/app_impl.h"

#include "backend/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command_word *find_command(const struct app *app, const char *name, size_t len)
{
    for (size_t i = 0; i < app->config.command_count; i++) {
        const struct command_word *command = &app->config.commands[i];

        if (strlen(command->name) == len && strncmp(command->name, name, len) == 0)
            return command;
    }
    return NULL;
}

void app_run_line(struct app *app, const char *line)
{
    const struct command_word *command;
    const struct binding *binding;
    size_t len;

    line += strspn(line, " :");
    len = strcspn(line, " ");
    if (!len)
        return;
    command = find_command(app, line, len);
    if (command) {
        command->run(app, line + len + strspn(line + len, " "));
        return;
    }
    binding = keymap_by_name(app->config.keymap, line);
    if (binding && !keymap_works(binding, app_focus(app)->class->name))
        app_message(app, ROLE_WARNING, "%s works in: %s", binding->name, binding->panel);
    else if (binding)
        binding->run(app, binding->argument);
    else
        app_message(app, ROLE_WARNING, "no such command: %.*s; Tab completes, ? lists", (int)len,
                    line);
}

/* What all choices that begin like text have in common. */
struct completion {
    const char *typed;
    char common[128];
    int count;
};

static void offer(struct completion *completion, const char *choice)
{
    size_t same = 0;

    if (!choice || strncmp(choice, completion->typed, strlen(completion->typed)) != 0)
        return;
    if (completion->count++ == 0) {
        snprintf(completion->common, sizeof(completion->common), "%s", choice);
        return;
    }
    while (completion->common[same] && completion->common[same] == choice[same])
        same++;
    completion->common[same] = '\0';
}

static void offer_words(const struct app *app, struct completion *completion)
{
    for (size_t i = 0; i < app->config.command_count; i++)
        offer(completion, app->config.commands[i].name);
    for (size_t i = 0; i < app->config.keymap->count; i++) {
        const char *name = app->config.keymap->bindings[i].name;

        if (!find_command(app, name, strlen(name)))
            offer(completion, name);
    }
}

static void offer_arguments(struct app *app, const struct command_word *command,
                            struct completion *completion)
{
    const char *choice;

    for (size_t i = 0; command->choice && (choice = command->choice(app, i)) != NULL; i++)
        offer(completion, choice);
}

int app_complete_line(void *context, const char *text, char *out, size_t size)
{
    struct app *app = context;
    const char *space = strchr(text, ' ');
    const struct command_word *command =
        space ? find_command(app, text, (size_t)(space - text)) : NULL;
    struct completion completion = {.typed = space ? space + 1 : text};

    if (command)
        offer_arguments(app, command, &completion);
    else if (!space)
        offer_words(app, &completion);
    if (completion.count)
        snprintf(out, size, "%.*s%s%s", space ? (int)(space - text + 1) : 0, text,
                 completion.common,
                 completion.count == 1 && !space &&
                         find_command(app, completion.common, strlen(completion.common))
                     ? " "
                     : "");
    return completion.count;
}

static void line_done(void *context, struct overlay *overlay, bool accepted)
{
    struct app *app = context;
    char *line = mem_strdup(prompt_text(overlay));

    if (accepted)
        app_run_line(app, line);
    free(line);
}

void app_command_line(struct app *app, int argument)
{
    struct overlay *prompt = prompt_new(":", "", &app->command_history, app_complete_line, NULL);

    (void)argument;
    message_clear(app); /* it was read; what the line comes to must be seen */
    prompt->done = line_done;
    prompt->context = app;
    app_push(app, prompt);
}
