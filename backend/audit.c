#include "backend/audit.h"

#include "backend/base/environ.h"
#include "backend/base/mem.h"
#include "backend/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_MS = 5000, LOCK_PAUSE_MS = 10 };

char *audit_path(const struct config *config, char **error)
{
    *error = NULL;
    if (config->audit_file && config->audit_file[0])
        return mem_strdup(config->audit_file);
    return statedir_path("audit.jsonl", error);
}

/* ---- a line ---- */

static json_t *time_json(void)
{
    struct timespec now;
    struct tm parts;
    char day[32], text[48];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof(text), "%s.%03ldZ", day, now.tv_nsec / 1000000);
    return json_string(text);
}

/* The environment is the user's own: what is no UTF-8 there is left out. */
static json_t *environment_json(const char *name)
{
    const char *value = environ_value(name);
    json_t *string = value ? json_string(value) : NULL;

    return string ? string : json_null();
}

/* Of "address port local-address local-port" the address. */
static json_t *ssh_client_json(void)
{
    const char *value = environ_value("SSH_CONNECTION");
    json_t *string;

    if (!value)
        value = environ_value("SSH_CLIENT");
    string = value ? json_stringn(value, strcspn(value, " ")) : NULL;
    return string ? string : json_null();
}

json_t *audit_line(const char *id, const char *event)
{
    json_t *line = json_object();
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    json_object_set_new(line, "time", time_json());
    json_object_set_new(line, "id", json_string(id));
    json_object_set_new(line, "event", json_string(event));
    json_object_set_new(line, "user", json_null()); /* looked up where it may take its time */
    json_object_set_new(line, "sudo_user", environment_json("SUDO_USER"));
    json_object_set_new(line, "ssh_client", ssh_client_json());
    json_object_set_new(line, "host", json_string(host));
    json_object_set_new(line, "pid", json_integer(getpid()));
    return line;
}

/* The name may come from a directory service: never on the loop. */
static void add_user(json_t *line)
{
    struct passwd entry, *found = NULL;
    char room[4096], number[24];

    if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) != 0)
        found = NULL;
    snprintf(number, sizeof(number), "%ld", (long)geteuid());
    json_object_set_new(line, "user", json_string(found ? found->pw_name : number));
}

/* ---- appending ---- */

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

/* A new file's name must be on the disk too. */
static bool sync_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    free(folder);
    return synced;
}

/* A line that was cut off by a crash must not swallow this one. */
static bool ends_within_a_line(int fd, off_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* Another writer has it for a moment; one that is stopped must not hold up every act. False: errno. */
static bool lock_file(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};

    for (int waited = 0; waited < LOCK_MS; waited += LOCK_PAUSE_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        nanosleep(&pause, NULL);
    }
    errno = EBUSY;
    return false;
}

static bool write_line(int fd, const char *text)
{
    struct stat file;
    char *line;
    size_t len;
    ssize_t written;
    int error;

    if (!lock_file(fd) || fstat(fd, &file) != 0)
        return false;
    line = mem_printf("%s%s\n", ends_within_a_line(fd, file.st_size) ? "\n" : "", text);
    len = strlen(line);
    written = write(fd, line, len);
    error = written < 0 ? errno : ENOSPC;
    free(line);
    if (written == (ssize_t)len)
        return fsync(fd) == 0;
    if (written > 0 && ftruncate(fd, file.st_size) != 0)
        error = errno;
    errno = error;
    return false;
}

static char *append_text(const char *path, const char *text)
{
    char *folder = folder_of(path), *error = statedir_make(folder);
    bool is_new = access(path, F_OK) != 0;
    int fd;

    free(folder);
    if (error)
        return error;
    fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd < 0 || !write_line(fd, text) || (is_new && !sync_folder(path)))
        error = mem_printf("cannot write the audit file %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return error;
}

char *audit_append(const char *path, json_t *line)
{
    char *text, *error;

    add_user(line);
    text = json_dumps(line, JSON_COMPACT);
    error = text ? append_text(path, text) : mem_strdup("cannot write the audit line as JSON");
    free(text);
    json_decref(line);
    return error;
}

struct append {
    uv_work_t work;
    char *path, *error;
    json_t *line;
    void (*done)(void *context, const char *error);
    void *context;
};

static void append_work(uv_work_t *work)
{
    struct append *append = work->data;

    append->error = audit_append(append->path, append->line);
}

static void append_done(uv_work_t *work, int status)
{
    struct append *append = work->data;

    if (status < 0) {
        json_decref(append->line);
        append->error = mem_strdup("the audit line was called off");
    }
    append->done(append->context, append->error);
    free(append->path);
    free(append->error);
    free(append);
}

void audit_append_later(uv_loop_t *loop, const char *path, json_t *line,
                        void (*done)(void *context, const char *error), void *context)
{
    struct append *append = mem_zalloc(sizeof(*append));

    append->work.data = append;
    append->path = mem_strdup(path);
    append->line = line;
    append->done = done;
    append->context = context;
    uv_queue_work(loop, &append->work, append_work, append_done);
}
