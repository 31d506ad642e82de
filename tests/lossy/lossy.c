/* A machine that loses what was not synced, and disks that fail: preloaded into a process by tests.
 *
 * Everything that the process does to files below LOSSY_ROOT is written down in LOSSY_JOURNAL before it takes place, with
 * what is needed to take it back: old bytes, old lengths, links (in LOSSY_SIDE) to files that were replaced or deleted.
 * fsync and fdatasync mark what came before as durable; sync_file_range does not. After the process was killed,
 * tests/testkit/power.rs takes back some or all of what is not durable. Nothing is ever really synced: the kernel outlives
 * the process.
 *
 *   LOSSY_IGNORE_SYNC=1      fsync makes nothing durable (the proof that the check can fail)
 *   LOSSY_ENOSPC_AFTER=N     writes fail with ENOSPC after N bytes
 *   LOSSY_EIO_READ_AFTER=N   reads fail with EIO after N of them
 *   LOSSY_EIO_SYNC_AFTER=N   fsyncs fail with EIO after N of them
 *   LOSSY_SYNC_MS=N          fsyncs take N milliseconds
 *   LOSSY_ONCE=1             a write or an fsync fails one time, which is reported on standard error; then all is well
 *   LOSSY_FREE_FILE=PATH     statvfs tells the free bytes that this file holds
 *   LOSSY_CLOCK_FILE=PATH    the wall clock is ahead by the seconds that this file holds
 *
 * Names of files are taken back from the last one on, bytes in any order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, CREATE, RENAME, UNLINK, MKDIR };

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], side[PATH_MAX];
static size_t root_length;
static int journal = -1, ignore_sync, once;
static long long space_left = -1, reads_left = -1, syncs_left = -1, sync_ms = -1;
static unsigned long long links;
/* Files that only a link beside keeps, for a caller that counts their names. */
static uint64_t *kept_inodes;
static size_t kept_count;

static long long number(const char *name)
{
    const char *text = getenv(name);
    return text ? atoll(text) : -1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("LOSSY_ROOT");
    if (!text || !realpath(text, root))
        return;
    root_length = strlen(root);
    space_left = number("LOSSY_ENOSPC_AFTER");
    reads_left = number("LOSSY_EIO_READ_AFTER");
    syncs_left = number("LOSSY_EIO_SYNC_AFTER");
    sync_ms = number("LOSSY_SYNC_MS");
    ignore_sync = number("LOSSY_IGNORE_SYNC") > 0;
    once = number("LOSSY_ONCE") > 0;
    text = getenv("LOSSY_SIDE");
    if (text)
        snprintf(side, sizeof side, "%s", text);
    text = getenv("LOSSY_JOURNAL");
    if (text)
        journal = syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* ---- which files ---- */

static int below_root(const char *path)
{
    return root_length && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return 1;
}

static int watched(int fd)
{
    char path[PATH_MAX];
    int before = errno;
    int yes = root_length && fd > 2 && path_of(fd, path) && below_root(path);
    errno = before;
    return yes;
}

/* The absolute path of a name; relative ones only below an open directory. */
static int absolute(int dir, const char *name, char *path)
{
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return below_root(path);
    }
    char folder[PATH_MAX];
    if (dir == AT_FDCWD ? !getcwd(folder, sizeof folder) : !path_of(dir, folder))
        return 0;
    return snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX && below_root(path);
}

static uint64_t inode_at(const char *path)
{
    struct stat found;
    return fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) ? 0 : found.st_ino;
}

static uint64_t parent_of(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    return inode_at(folder);
}

/* ---- the journal: kind, five numbers, lengths of two texts, the texts ---- */

static void note(uint64_t kind, uint64_t inode, uint64_t a, uint64_t b, const void *first, uint64_t first_length,
                 const void *second, uint64_t second_length)
{
    if (journal < 0)
        return;
    uint64_t head[6] = {kind, inode, a, b, first_length, second_length};
    size_t length = sizeof head + first_length + second_length;
    char *whole = malloc(length);
    if (!whole)
        abort();
    memcpy(whole, head, sizeof head);
    if (first_length)
        memcpy(whole + sizeof head, first, first_length);
    if (second_length)
        memcpy(whole + sizeof head + first_length, second, second_length);
    for (size_t done = 0; done < length;) {
        ssize_t wrote = syscall(SYS_write, journal, whole + done, length - done);
        if (wrote < 0)
            abort();
        done += wrote;
    }
    free(whole);
}

static void note_names(uint64_t kind, uint64_t folder, const char *first, const char *second)
{
    note(kind, folder, 0, 0, first, strlen(first), second, strlen(second));
}

/* A file that loses its name keeps one beside, so that the name can come back. The process does not see it. */
static void keep(const char *path, char *kept)
{
    kept[0] = 0;
    if (journal < 0 || !side[0])
        return;
    uint64_t inode = inode_at(path);
    if (snprintf(kept, PATH_MAX, "%s/%d-%llu", side, getpid(), links++) >= PATH_MAX ||
        syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0)) {
        kept[0] = 0;
        return;
    }
    kept_inodes = realloc(kept_inodes, (kept_count + 1) * sizeof *kept_inodes);
    if (!kept_inodes)
        abort();
    kept_inodes[kept_count++] = inode;
}

/* Before bytes are written at a place: what stood there, and what will. */
static void note_write(int fd, uint64_t offset, const void *bytes, size_t length)
{
    struct stat now;
    if (journal < 0 || fstat(fd, &now))
        return;
    uint64_t size = now.st_size, there = size > offset ? size - offset : 0;
    if (there > length)
        there = length;
    char *old = malloc(there + 1), name[64];
    if (!old)
        abort();
    /* The descriptor may be open for writing only. */
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int reader = there ? syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0) : -1;
    for (uint64_t done = 0; done < there;) {
        ssize_t got = syscall(SYS_pread64, reader, old + done, there - done, offset + done);
        if (got <= 0)
            abort();
        done += got;
    }
    if (reader >= 0)
        syscall(SYS_close, reader);
    note(WRITE, now.st_ino, offset, size, old, there, bytes, length);
    free(old);
}

static void note_truncate(int fd, uint64_t size)
{
    struct stat now;
    if (journal < 0 || fstat(fd, &now) || (uint64_t)now.st_size == size)
        return;
    uint64_t before = now.st_size, cut = before > size ? before - size : 0;
    char *old = malloc(cut + 1), name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int reader = cut ? syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0) : -1;
    for (uint64_t done = 0; done < cut;) {
        ssize_t got = syscall(SYS_pread64, reader, old + done, cut - done, size + done);
        if (got <= 0)
            abort();
        done += got;
    }
    if (reader >= 0)
        syscall(SYS_close, reader);
    note(TRUNCATE, now.st_ino, size, before, old, cut, NULL, 0);
    free(old);
}

/* ---- faults ---- */

/* A fault strikes: what is left until the next one. */
static long long struck(int fd, int error)
{
    char path[PATH_MAX], told[PATH_MAX + 64];
    if (once && path_of(fd, path))
        syscall(SYS_write, 2, told, snprintf(told, sizeof told, "lossy: the disk failed once, at %s\n", path));
    errno = error;
    return once ? -1 : 0;
}

/* How much of a write still fits; -1 with ENOSPC when nothing does. */
static ssize_t room_for(int fd, size_t length)
{
    if (space_left < 0)
        return length;
    if (space_left == 0) {
        space_left = struck(fd, ENOSPC);
        return -1;
    }
    if ((long long)length > space_left)
        length = space_left;
    space_left -= length;
    return length;
}

static int read_fails(int fd)
{
    if (reads_left < 0 || !watched(fd))
        return 0;
    pthread_mutex_lock(&order);
    int fails = reads_left == 0;
    if (!fails)
        reads_left--;
    pthread_mutex_unlock(&order);
    if (fails)
        errno = EIO;
    return fails;
}

/* ---- bytes ---- */

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset)
{
    if (!watched(fd))
        return syscall(SYS_pwrite64, fd, bytes, length, offset);
    pthread_mutex_lock(&order);
    ssize_t fits = room_for(fd, length);
    if (fits > 0) {
        note_write(fd, offset, bytes, fits);
        fits = syscall(SYS_pwrite64, fd, bytes, fits, offset);
    }
    pthread_mutex_unlock(&order);
    return fits;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return write_at(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return write_at(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length)
{
    if (!watched(fd))
        return syscall(SYS_write, fd, bytes, length);
    pthread_mutex_lock(&order);
    ssize_t fits = room_for(fd, length);
    if (fits > 0) {
        struct stat now;
        int appends = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
        off_t at = appends && !fstat(fd, &now) ? now.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
        note_write(fd, at, bytes, fits);
        fits = syscall(SYS_write, fd, bytes, fits);
    }
    pthread_mutex_unlock(&order);
    return fits;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!watched(fd))
        return syscall(SYS_writev, fd, parts, count);
    for (int part = 0; part < count; part++)
        if (parts[part].iov_len)
            return write(fd, parts[part].iov_base, parts[part].iov_len);
    return 0;
}

static int set_length(int fd, off_t size)
{
    if (!watched(fd))
        return syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&order);
    note_truncate(fd, size);
    int result = syscall(SYS_ftruncate, fd, size);
    pthread_mutex_unlock(&order);
    return result;
}

int ftruncate(int fd, off_t size) { return set_length(fd, size); }
int ftruncate64(int fd, off_t size) { return set_length(fd, size); }

ssize_t pread64(int fd, void *bytes, size_t length, off_t offset)
{
    return read_fails(fd) ? -1 : syscall(SYS_pread64, fd, bytes, length, offset);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) { return pread64(fd, bytes, length, offset); }

ssize_t read(int fd, void *bytes, size_t length)
{
    return read_fails(fd) ? -1 : syscall(SYS_read, fd, bytes, length);
}

/* ---- durability ---- */

static int sync_file(int fd, long real)
{
    if (!watched(fd))
        return syscall(real, fd);
    if (sync_ms > 0) {
        struct timespec time = {sync_ms / 1000, sync_ms % 1000 * 1000000};
        syscall(SYS_nanosleep, &time, NULL);
    }
    struct stat now;
    int result = 0;
    pthread_mutex_lock(&order);
    if (syncs_left == 0) {
        syncs_left = struck(fd, EIO);
        result = -1;
    } else {
        if (syncs_left > 0)
            syncs_left--;
        if (!ignore_sync && !fstat(fd, &now))
            note(SYNC, now.st_ino, 0, 0, NULL, 0, NULL, 0);
    }
    pthread_mutex_unlock(&order);
    return result;
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
    return watched(fd) ? 0 : syscall(SYS_sync_file_range, fd, offset, length, flags);
}

/* ---- names ---- */

static int open_at(int dir, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    if (!root_length || !(flags & (O_CREAT | O_TRUNC)) || !absolute(dir, name, path))
        return syscall(SYS_openat, dir, name, flags, mode);
    pthread_mutex_lock(&order);
    int existed = inode_at(path) != 0;
    if (existed && (flags & O_TRUNC)) {
        int old = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        if (old >= 0) {
            note_truncate(old, 0);
            syscall(SYS_close, old);
        }
    }
    int fd = syscall(SYS_openat, dir, name, flags, mode);
    if (fd >= 0 && !existed)
        note_names(CREATE, parent_of(path), path, "");
    pthread_mutex_unlock(&order);
    return fd;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

int open(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int dir, const char *name, int flags, ...) { MODE(flags) return open_at(dir, name, flags, mode); }
int openat64(int dir, const char *name, int flags, ...) { MODE(flags) return open_at(dir, name, flags, mode); }

int rename(const char *from, const char *to)
{
    char old[PATH_MAX], new[PATH_MAX], kept[PATH_MAX];
    if (!root_length || !absolute(AT_FDCWD, from, old) || !absolute(AT_FDCWD, to, new))
        return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&order);
    keep(new, kept);
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!result) {
        /* Two texts only: both names in the first one. */
        char names[2 * PATH_MAX];
        int length = snprintf(names, sizeof names, "%s\n%s", old, new);
        note(RENAME, parent_of(new), 0, 0, names, length, kept, strlen(kept));
    }
    pthread_mutex_unlock(&order);
    return result;
}

static int remove_at(int dir, const char *name, int flags)
{
    char path[PATH_MAX], kept[PATH_MAX];
    if (!root_length || (flags & AT_REMOVEDIR) || !absolute(dir, name, path))
        return syscall(SYS_unlinkat, dir, name, flags);
    pthread_mutex_lock(&order);
    keep(path, kept);
    int result = syscall(SYS_unlinkat, dir, name, flags);
    if (!result)
        note_names(UNLINK, parent_of(path), path, kept);
    pthread_mutex_unlock(&order);
    return result;
}

int unlink(const char *name) { return remove_at(AT_FDCWD, name, 0); }
int unlinkat(int dir, const char *name, int flags) { return remove_at(dir, name, flags); }

int mkdir(const char *name, mode_t mode)
{
    char path[PATH_MAX];
    int result = syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    if (!result && root_length && absolute(AT_FDCWD, name, path)) {
        pthread_mutex_lock(&order);
        note_names(MKDIR, parent_of(path), path, "");
        pthread_mutex_unlock(&order);
    }
    return result;
}

int statx(int dir, const char *name, int flags, unsigned mask, struct statx *told)
{
    int result = syscall(SYS_statx, dir, name, flags, mask, told);
    if (!result && root_length) {
        pthread_mutex_lock(&order);
        for (size_t at = 0; at < kept_count; at++)
            if (kept_inodes[at] == told->stx_ino && told->stx_nlink)
                told->stx_nlink--;
        pthread_mutex_unlock(&order);
    }
    return result;
}

/* A file that appears by a link is one that was created, as far as its name goes. */
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    char path[PATH_MAX];
    int result = syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (!result && root_length && absolute(to_dir, to, path)) {
        pthread_mutex_lock(&order);
        note_names(CREATE, parent_of(path), path, "");
        pthread_mutex_unlock(&order);
    }
    return result;
}

/* ---- free space ---- */

/* The number in the file that a variable names; 0 when there is none. */
static int number_in(const char *variable, long long *told)
{
    const char *name = getenv(variable);
    char text[32];
    int fd = name ? syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd < 0)
        return 0;
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0)
        return 0;
    text[length] = 0;
    *told = strtoll(text, NULL, 10);
    return 1;
}

static void tell_free(unsigned long block, unsigned long *available, unsigned long *all_free)
{
    long long free_bytes;
    if (number_in("LOSSY_FREE_FILE", &free_bytes))
        *available = *all_free = (unsigned long)free_bytes / (block ? block : 1);
}

int clock_gettime(clockid_t clock, struct timespec *told)
{
    long long ahead;
    int result = syscall(SYS_clock_gettime, clock, told);
    if (!result && clock == CLOCK_REALTIME && number_in("LOSSY_CLOCK_FILE", &ahead))
        told->tv_sec += ahead;
    return result;
}

int statvfs(const char *path, struct statvfs *told)
{
    int (*next)(const char *, struct statvfs *) = (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
    int result = next(path, told);
    if (!result)
        tell_free(told->f_frsize, &told->f_bavail, &told->f_bfree);
    return result;
}

int statvfs64(const char *path, struct statvfs64 *told)
{
    int (*next)(const char *, struct statvfs64 *) =
        (int (*)(const char *, struct statvfs64 *))dlsym(RTLD_NEXT, "statvfs64");
    int result = next(path, told);
    if (!result)
        tell_free(told->f_frsize, &told->f_bavail, &told->f_bfree);
    return result;
}
