/* Wiring: options → config → backend → dashboard or sub-command. */
#include "backend/backend.h"
#include "backend/base/environ.h"
#include "backend/base/mem.h"
#include "backend/base/nearest.h"
#include "backend/container_exec.h"
#include "backend/container_init.h"
#include "backend/job.h"
#include "backend/options.h"
#include "backend/redis_spare.h"
#include "backend/setup.h"
#include "panels/act_run.h"
#include "panels/data.h"
#include "panels/monitor_run.h"
#include "panels/snapshot.h"
#include "tui/app.h"
#include "tui/text.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_BLIND = 3 };

/* ---- the process ---- */

/* A crash gives the terminal back before it dies as it would have. */
static void crashed(int number)
{
    screen_rescue();
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_crashes(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGQUIT};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction action = {.sa_handler = crashed, .sa_flags = (int)SA_RESETHAND};

        sigaction(signals[i], &action, NULL);
    }
    mem_on_failure(screen_rescue);
}

/* Passwords are in our memory: no core file may hold them. */
static void forbid_core_files(void)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
}

/* Whatever is opened must not become what a closed stdin, stdout or stderr stood for. */
static void fill_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* Without a UTF-8 locale the widths of characters are unknown: C.UTF-8 knows them, and only 7-bit
 * symbols are drawn, since the terminal may not know more. */
static void set_locale(bool ascii)
{
    setlocale(LC_ALL, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
        setlocale(LC_CTYPE, "C.UTF-8");
        ascii = true;
    }
    setlocale(LC_NUMERIC, "C");
    text_set_ascii(ascii);
}

/* ---- the dashboard ---- */

struct dashboard {
    uv_loop_t loop;
    struct view_data data;
    struct keymap keymap;
    struct spare_keeper *keeper;
    uv_signal_t signals[4];
    int signal_count;
    uv_timer_t grace;
    bool ending;
};

/* A name lookup or a cancel that hangs in a thread of its own cannot be called off; the terminal is
 * back already, and nobody waits for it. */
#define GRACE_MS 500

static void grace_over(uv_timer_t *timer)
{
    (void)timer;
    _exit(0);
}

static void backend_gone(void *context)
{
    (void)context;
}

static void let_signals_go(struct dashboard *dashboard)
{
    for (int i = 0; i < dashboard->signal_count; i++)
        uv_close((uv_handle_t *)&dashboard->signals[i], NULL);
}

/* Before the backend, whose connections they use. */
static void close_acts(struct dashboard *dashboard)
{
    jobs_close(dashboard->data.jobs);
    spare_keeper_close(dashboard->keeper, NULL, NULL);
    actions_close(dashboard->data.actions, NULL, NULL);
}

static void end_dashboard(void *context)
{
    struct dashboard *dashboard = context;

    if (dashboard->ending)
        return;
    dashboard->ending = true;
    app_close(dashboard->data.app);
    data_release(&dashboard->data);
    close_acts(dashboard);
    backend_close(dashboard->data.backend, backend_gone, NULL);
    let_signals_go(dashboard);
    uv_timer_start(&dashboard->grace, grace_over, GRACE_MS, 0);
}

static void backend_changed_data(void *context)
{
    struct dashboard *dashboard = context;

    if (!dashboard->ending && dashboard->data.app)
        app_dirty_data(dashboard->data.app);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct dashboard *dashboard = handle->data;

    if (number == SIGTSTP)
        app_suspend(dashboard->data.app, 0);
    else
        end_dashboard(dashboard);
}

static void catch_signals(struct dashboard *dashboard)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGTSTP};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        uv_signal_t *handle = &dashboard->signals[dashboard->signal_count++];

        uv_signal_init(&dashboard->loop, handle);
        handle->data = dashboard;
        uv_signal_start(handle, on_signal, signals[i]);
    }
}

static void fill_view_data(struct dashboard *dashboard, const struct config *config)
{
    struct view_data *data = &dashboard->data;
    char host[sizeof(data->host)] = "";

    data->config = config;
    data->loop = &dashboard->loop;
    data->read_only = config->read_only;
    data->quit = end_dashboard;
    data->quit_context = dashboard;
    gethostname(host, sizeof(host) - 1);
    text_sanitise(data->host, sizeof(data->host), host, strlen(host), false, NULL);
}

static struct app *start_app(struct dashboard *dashboard, const struct config *config, char **error)
{
    struct app_config app = {
        .panels = panel_list,
        .panel_count = panel_list_count,
        .overview_title = "Overview",
        .keymap = &dashboard->keymap,
        .commands = command_words,
        .command_count = command_word_count,
        .hooks = &panel_hooks,
        .data = &dashboard->data,
        .theme = config->theme,
        .mouse = config->mouse,
        .no_colour = environ_value("NO_COLOR"),
    };

    return app_new(&dashboard->loop, &app, error);
}

static void close_leftovers(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static int run_dashboard(struct config *config, const struct keymap *keymap)
{
    struct dashboard dashboard = {.keymap = *keymap};
    char *error = NULL;
    int status = 0;

    uv_loop_init(&dashboard.loop);
    uv_timer_init(&dashboard.loop, &dashboard.grace);
    uv_unref((uv_handle_t *)&dashboard.grace);
    fill_view_data(&dashboard, config);
    dashboard.data.backend = backend_new(&dashboard.loop, config, backend_changed_data, &dashboard);
    dashboard.data.actions = actions_new(&dashboard.loop, dashboard.data.backend, config);
    dashboard.keeper = spare_keeper_new(&dashboard.loop, dashboard.data.backend, config);
    dashboard.data.jobs = jobs_new(&dashboard.loop, jobs_changed, &dashboard.data);
    backend_start(dashboard.data.backend);
    catch_signals(&dashboard); /* before the terminal is taken: it has to be given back */
    dashboard.data.app = start_app(&dashboard, config, &error);
    if (dashboard.data.app) {
        panel_hooks.shown(&dashboard.data);
    } else {
        fprintf(stderr, "sharedtop: %s\n", error);
        free(error);
        status = EXIT_USAGE;
        close_acts(&dashboard);
        backend_close(dashboard.data.backend, backend_gone, NULL);
        let_signals_go(&dashboard);
    }
    uv_run(&dashboard.loop, UV_RUN_DEFAULT);
    uv_walk(&dashboard.loop, close_leftovers, NULL);
    uv_run(&dashboard.loop, UV_RUN_DEFAULT);
    uv_loop_close(&dashboard.loop);
    free(dashboard.data.monitor_note);
    return status;
}

/* ---- the other commands ---- */

static int run_snapshot(struct config *config, bool json)
{
    uv_loop_t loop;
    int status;

    uv_loop_init(&loop);
    status = (int)snapshot_run(&loop, config, json, stdout);
    uv_loop_close(&loop);
    return fflush(stdout) == 0 ? status : EXIT_BLIND;
}

static int run_act(const struct config *config, const struct options *options)
{
    uv_loop_t loop;
    int status;

    uv_loop_init(&loop);
    status = (int)act_run(&loop, config, options, stdout);
    uv_loop_close(&loop);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "sharedtop: what came of it could not be printed: %s\n", strerror(errno));
        status = status ? status : ACT_RUN_FAILED;
    }
    return status;
}

static int run_monitor(struct config *config, const struct options *options)
{
    const struct monitor_options monitor = {.seconds = options->seconds,
                                            .filter = options->filter,
                                            .instance = options->instance,
                                            .top = options->top,
                                            .json = options->json,
                                            .yes = options->yes};
    uv_loop_t loop;
    int status;

    uv_loop_init(&loop);
    status = (int)monitor_run(&loop, config, &monitor, stdout);
    uv_loop_close(&loop);
    return fflush(stdout) == 0 ? status : MONITOR_RUN_FAILED;
}

static int run_keys(const struct keymap *keymap)
{
    struct strbuf text = {0};

    keymap_help(keymap, NULL, &text);
    fputs(text.s, stdout);
    strbuf_free(&text);
    return 0;
}

static int run_themes(void)
{
    size_t count;
    char **names = theme_list(&count);

    for (size_t i = 0; i < count; i++) {
        char *error = NULL;
        struct theme *theme = theme_load(names[i], &error);

        printf("%-20s %s\n", names[i], theme ? theme_description(theme) : error);
        theme_free(theme);
        free(error);
        free(names[i]);
    }
    free(names);
    return 0;
}

/* ---- start ---- */

/* One line on a name that no key has; the caller frees it. */
static char *unknown_key(const char *name)
{
    const char **names = mem_array(NULL, key_binding_count, sizeof(*names)), *near;
    char *text;

    for (size_t i = 0; i < key_binding_count; i++)
        names[i] = key_bindings[i].name;
    near = nearest_name(name, names, key_binding_count);
    if (near)
        text = mem_printf("keys: no action is called '%s': did you mean '%s'?", name, near);
    else
        text = mem_printf("keys: no action is called '%s'; 'sharedtop keys' lists them", name);
    free(names);
    return text;
}

/* What the backend cannot know: names of keys and of themes. */
static void check_interface(const struct config *config, struct keymap *keymap,
                            struct config_faults *faults)
{
    struct theme *theme;
    char *error = NULL;

    for (size_t i = 0; i < config->key_count; i++) {
        const struct key_config *key = &config->keys[i];

        if (!keymap_by_name(keymap, key->name))
            error = unknown_key(key->name);
        else
            keymap_override(keymap, key->name, key->key, &error);
        if (error) {
            config_fault_add(faults, config->path, key->line, false, "%s", error);
            free(error);
            error = NULL;
        }
    }
    theme = theme_load(config->theme, &error);
    if (!theme)
        config_fault_add(faults, config->theme_line ? config->path : NULL, config->theme_line,
                         false, "%s", error);
    free(error);
    theme_free(theme);
}

static int run_command(const struct options *options, struct config *config,
                       const struct keymap *keymap)
{
    switch (options->command) {
    case COMMAND_KEYS: return run_keys(keymap);
    case COMMAND_THEMES: return run_themes();
    case COMMAND_SNAPSHOT: return run_snapshot(config, options->json);
    case COMMAND_ACT:
    case COMMAND_JOBS: return run_act(config, options);
    case COMMAND_MONITOR: return run_monitor(config, options);
    case COMMAND_AUDIT: return (int)act_run_audit(config, options->json, stdout);
    default: return run_dashboard(config, keymap);
    }
}

static int run(const struct options *options)
{
    struct config_faults faults = {0};
    struct config *config = setup_config(options, &faults);
    struct keymap keymap;
    int status = options->command == COMMAND_SNAPSHOT ? EXIT_BLIND : EXIT_USAGE;

    keymap_init(&keymap, key_bindings, key_binding_count);
    if (config)
        check_interface(config, &keymap, &faults);
    config_faults_print(stderr, &faults);
    if (config && !config_faults_fatal(&faults)) {
        set_locale(config->ascii);
        status = run_command(options, config, &keymap);
    }
    config_faults_free(&faults);
    keymap_free(&keymap);
    if (config)
        config_free(config);
    return status;
}

/* `config check`: every fault of the file, whatever else was given. */
static int run_check(const struct options *options)
{
    struct config_faults faults = {0};
    char *path = setup_path(options);
    struct config *config = path ? config_check(path, &faults) : NULL;
    struct keymap keymap;
    bool fatal;

    keymap_init(&keymap, key_bindings, key_binding_count);
    if (config)
        check_interface(config, &keymap, &faults);
    fatal = config_faults_fatal(&faults);
    config_faults_print(stdout, &faults);
    if (!fatal)
        printf("%s: no fault\n", path ? path : "no configuration file");
    config_faults_free(&faults);
    keymap_free(&keymap);
    if (config)
        config_free(config);
    free(path);
    return fatal;
}

/* What watches the status of a snapshot must not read a slip of the pen as a critical alert. */
static int usage_status(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "snapshot") == 0)
            return EXIT_BLIND;
    }
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct options options;
    char *error = NULL;
    bool parsed;
    int status;

    fill_descriptors();
    if (argc == 3 && strcmp(argv[1], "job-run") == 0)
        return job_main(argv[2]);
    if (argc >= 2 && strcmp(argv[1], "exec") == 0)
        return container_exec_main(argc - 1, argv + 1);
    parsed = options_parse(argc, argv, &options, &error);

    options_hide_secrets(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* the write says so */
    forbid_core_files();
    catch_crashes();
    if (!parsed) {
        fprintf(stderr, "sharedtop: %s\n", error);
        free(error);
        status = usage_status(argc, argv);
    } else if (options.command == COMMAND_HELP) {
        options_help(stdout);
        status = 0;
    } else if (options.command == COMMAND_VERSION) {
        printf("sharedtop %s\n", SHAREDTOP_VERSION);
        status = 0;
    } else if (options.command == COMMAND_CONFIG_CHECK) {
        status = run_check(&options);
    } else if (options.command == COMMAND_CONFIG_INIT) {
        status = container_init(NULL, options.file);
    } else {
        status = run(&options);
    }
    options_free(&options);
    return status;
}
