#include "backend/container_init.h"

#include "backend/base/mem.h"
#include "backend/container_watch.h"
#include "backend/statedir.h"
#include "backend/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEARCH_MS 5000

/* ---- looking ---- */

struct search {
    uv_loop_t loop;
    uv_timer_t deadline;
    bool over;
};

static void on_deadline(uv_timer_t *timer)
{
    struct search *search = timer->data;

    search->over = true;
}

static void on_listed(void *context)
{
    struct search *search = context;

    search->over = true;
}

static void on_changed(void *context)
{
    (void)context;
}

static void on_moved(void *context, const struct container *container,
                     const struct container_login *login)
{
    (void)context, (void)container, (void)login;
}

static void on_stopped(void *context, const struct container *container)
{
    (void)context, (void)container;
}

static void on_complete(void *context, struct container_row *row)
{
    (void)context, (void)row;
}

static void on_gone(void *context)
{
    (void)context;
}

static const struct container_watch_events watch_events = {.changed = on_changed,
                                                           .listed = on_listed,
                                                           .moved = on_moved,
                                                           .stopped = on_stopped,
                                                           .complete = on_complete};

/* The file's text, and what is told of it. */
static void describe_engine(const char *docker_host, struct strbuf *text, struct strbuf *summary)
{
    struct search search = {.over = false};
    struct container_watch *watch;

    uv_loop_init(&search.loop);
    uv_timer_init(&search.loop, &search.deadline);
    search.deadline.data = &search;
    uv_timer_start(&search.deadline, on_deadline, SEARCH_MS, 0);
    watch = container_watch_new(&search.loop, docker_host, &watch_events, &search);
    container_watch_start(watch);
    while (!search.over)
        uv_run(&search.loop, UV_RUN_ONCE);
    container_init_text(container_watch_sample(watch), text);
    container_init_summary(container_watch_sample(watch), summary);
    container_watch_close(watch, on_gone, NULL);
    uv_close((uv_handle_t *)&search.deadline, NULL);
    uv_run(&search.loop, UV_RUN_DEFAULT);
    uv_loop_close(&search.loop);
}

/* ---- writing ---- */

/* Where config_find looks first, its folder made. NULL: *error. */
static char *usual_path(char **error)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *folder = NULL, *path;

    *error = NULL;
    if (base && base[0] == '/')
        folder = mem_printf("%s/sharedtop", base);
    else if (home && home[0] == '/')
        folder = mem_printf("%s/.config/sharedtop", home);
    if (!folder) {
        *error =
            mem_strdup("no place for the file: name it (sharedtop config init FILE), or set HOME");
        return NULL;
    }
    *error = statedir_make(folder);
    path = *error ? NULL : mem_printf("%s/sharedtop.conf", folder);
    free(folder);
    return path;
}

static char *refusal(const char *path, int error)
{
    if (error == EEXIST)
        return mem_printf("%s is there already: move it away, or name another file "
                          "(sharedtop config init FILE; - is the standard output)",
                          path);
    return mem_printf("cannot write %s: %s", path, strerror(error));
}

/* The name of a new file is on the disk when its folder is. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* NULL: it is on the disk; else why not, and nothing is left of it. */
static char *write_file(const char *path, const struct strbuf *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int why = 0;

    if (fd < 0)
        return refusal(path, errno);
    if (!textfile_write(fd, text->s, text->len) || fsync(fd) != 0)
        why = errno;
    if (close(fd) != 0 && !why)
        why = errno;
    if (!why) {
        sync_folder(path);
        return NULL;
    }
    unlink(path);
    return mem_printf("cannot write %s: %s", path, strerror(why));
}

static int fail(char *error)
{
    fprintf(stderr, "sharedtop: %s\n", error);
    free(error);
    return 1;
}

/* To be told before the search, not after its seconds; NULL: nothing is there. */
static char *check_free(const char *path)
{
    struct stat found;

    return lstat(path, &found) == 0 ? refusal(path, EEXIST) : NULL;
}

static char *print_text(const struct strbuf *text, const struct strbuf *summary)
{
    fputs(summary->s, stderr);
    fputs(text->s, stdout);
    return fflush(stdout) == 0
               ? NULL
               : mem_printf("cannot write the standard output: %s", strerror(errno));
}

static char *save_text(const char *path, const struct strbuf *text, const struct strbuf *summary)
{
    char *error = write_file(path, text);

    if (!error)
        printf("wrote %s\n%s", path, summary->s);
    return error;
}

int container_init(const char *docker_host, const char *path)
{
    const bool print = path && strcmp(path, "-") == 0;
    struct strbuf text = {0}, summary = {0};
    char *error = NULL, *file = path ? mem_strdup(path) : usual_path(&error);

    if (!error && !print)
        error = check_free(file);
    if (!error) {
        describe_engine(docker_host, &text, &summary);
        error = print ? print_text(&text, &summary) : save_text(file, &text, &summary);
    }
    strbuf_free(&text);
    strbuf_free(&summary);
    free(file);
    return error ? fail(error) : 0;
}
