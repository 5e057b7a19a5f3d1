// Runs untrusted work, one confined child a job: standard input is a stream of jobs, standard output a stream of results.
//
// Built twice. Alone it executes a command (the compiler, or one compiled program). Linked with a translation unit that
// defines `programs`, it is a fork server: a job calls one of these functions in a fresh child, with nothing to load.
// A child gets rlimits, no_new_privs, Landlock and a seccomp filter before its first foreign instruction; CPU time, memory
// and wall time are watched from here. What to compare the output with is not known on this side of the pipe.
//
//     supervisor compile|run CPU_S WALL_S MEMORY OUTPUT STACK -l|-n|-u [-x PATH]... [-w PATH]... [-- COMMAND...]
//     supervisor probe -l|-n
//
// Sizes are in bytes. -l: Landlock is needed; -n: namespaces confine already, Landlock if the kernel has it; -u: unsafe,
// rlimits only. Below -x PATH files may be read and executed, below -w PATH read and written.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the judge knows x86-64 and AArch64 only"
#endif

#ifndef __NR_clone3  // unknown to the headers of old systems
#define __NR_clone3 435
#endif
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#endif

extern int (*const programs[])(void) __attribute__((weak));

struct job {
    uint32_t program, test;
    uint64_t input_size;  // followed by so many bytes
};

enum reason { ENDED, TIME_LIMIT, MEMORY_LIMIT, OUTPUT_LIMIT };

struct result {
    uint32_t program, test;
    int32_t status;  // as wait(2) gives it
    uint32_t reason;
    double cpu_seconds, wall_seconds;
    uint64_t peak_memory, output_size, errors_size;  // followed by the output and the errors
};

static struct {
    int compile;
    double cpu_seconds, wall_seconds;
    uint64_t memory, output, stack;
    pid_t pid;
    char mode;               // l, n or u
    int ruleset;             // Landlock's, or -1
    char *const *command;    // NULL: call programs[job.program]
    volatile int *confined;  // shared with the child, which sets it when it is about to run what is not trusted
} setup;

enum { ERRORS_KEPT = 1 << 13, MESSAGES_KEPT = 1 << 24, FAILED = 125 };
static const uint64_t SLACK = 2ULL << 30, SERVER_ADDRESSES = 4ULL << 30, SERVER_MEMORY = 64ULL << 20;

static void die(const char *what) {
    fprintf(stderr, "supervisor: %s: %s\n", what, strerror(errno));
    exit(FAILED);
}

// ---- confinement -----------------------------------------------------------------------------------------------------

// The system calls and rights of Landlock, by number: the headers of old systems do not have them.
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, PATH_BENEATH = 1, VERSION = 1 };
enum { EXECUTE = 1, WRITE_FILE = 2, READ_FILE = 4, READ_DIR = 8, TRUNCATE = 1 << 14, IOCTL = 1 << 15 };
enum {
    CREATE_AND_REMOVE = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12,  // folders, regular files and links
    FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL,
};

static int landlock_ruleset(char *const *words) {
    struct { uint64_t files, network, scopes; } handled = {0};
    const int file_rights[] = {0, 13, 14, 15, 15, 16}, size[] = {0, 8, 8, 8, 16, 16, 24};
    long abi = syscall(CREATE_RULESET, NULL, 0, VERSION);
    if (abi < 1) {
        if (setup.mode == 'n') return -1;
        die("Landlock");
    }
    if (abi > 6) abi = 6;
    handled.files = (1ULL << file_rights[abi > 5 ? 5 : abi]) - 1;
    handled.network = abi >= 4 ? 3 : 0;  // bind and connect by TCP
    handled.scopes = abi >= 6 ? 3 : 0;   // abstract sockets and signals beyond the child
    int ruleset = syscall(CREATE_RULESET, &handled, size[abi], 0);
    if (ruleset < 0) die("Landlock");
    for (; words[0] && words[1] && strcmp(words[0], "--"); words += 2) {
        uint64_t rights = READ_FILE | READ_DIR;
        rights |= words[0][1] == 'x' ? EXECUTE : WRITE_FILE | TRUNCATE | CREATE_AND_REMOVE;
        int fd = open(words[1], O_PATH | O_CLOEXEC);
        struct stat status;
        if (fd < 0 || fstat(fd, &status)) continue;  // not every system has every folder
        if (!S_ISDIR(status.st_mode)) rights &= FOR_FILES;
        struct __attribute__((packed)) { uint64_t rights; int32_t fd; } beneath = {rights & handled.files, fd};
        if (syscall(ADD_RULE, ruleset, PATH_BENEATH, &beneath, 0)) die(words[1]);
        close(fd);
    }
    return ruleset;
}

#define NAMESPACES \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
#define ARGUMENT(n) offsetof(struct seccomp_data, args) + 8 * (n)
#define LOAD(where) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (where))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define FAIL(error) RETURN(SECCOMP_RET_ERRNO | (error))
#define IF_EQUAL(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define IF_ANY(bits, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (then), (otherwise))
#define ALLOW(name) IF_EQUAL(__NR_##name, 0, 1), RETURN(SECCOMP_RET_ALLOW)
#define REFUSE(name, error) IF_EQUAL(__NR_##name, 0, 1), FAIL(error)
#define ONLY_MYSELF(name) \
    IF_EQUAL(__NR_##name, 0, 4), LOAD(ARGUMENT(0)), IF_EQUAL(myself, 0, 1), RETURN(SECCOMP_RET_ALLOW), FAIL(EPERM)

// A program may compute, use its memory, read its input and write its output. It may open files to read (the loader has
// to; Landlock says which), but start no process or thread, signal nobody but itself and talk to nobody.
static void filter_program(void) {
    const uint32_t myself = getpid();
    const struct sock_filter filter[] = {
        LOAD(offsetof(struct seccomp_data, arch)), IF_EQUAL(ARCHITECTURE, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
        ALLOW(read), ALLOW(write), ALLOW(readv), ALLOW(writev), ALLOW(lseek), ALLOW(pread64), ALLOW(pwrite64),
        ALLOW(brk), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(mprotect), ALLOW(madvise),
        ALLOW(exit), ALLOW(exit_group), ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn),
        ALLOW(rt_sigsuspend), ALLOW(rt_sigpending), ALLOW(sigaltstack), ALLOW(restart_syscall), ALLOW(futex),
        ALLOW(close), ALLOW(dup), ALLOW(dup3), ALLOW(fstat), ALLOW(newfstatat), ALLOW(faccessat), ALLOW(statx),
        ALLOW(set_tid_address), ALLOW(set_robust_list), ALLOW(rseq), ALLOW(getrandom), ALLOW(execve), ALLOW(uname),
        ALLOW(clock_gettime), ALLOW(clock_getres), ALLOW(clock_nanosleep), ALLOW(nanosleep), ALLOW(gettimeofday),
        ALLOW(times), ALLOW(getrusage), ALLOW(sysinfo), ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(ppoll),
        ALLOW(pselect6), ALLOW(getpid), ALLOW(getppid), ALLOW(gettid), ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid),
        ALLOW(getegid), ALLOW(getcwd), ALLOW(setitimer), ALLOW(getitimer), ALLOW(pipe2),
#ifdef __x86_64__
        ALLOW(arch_prctl), ALLOW(access), ALLOW(stat), ALLOW(lstat), ALLOW(time), ALLOW(dup2), ALLOW(poll),
        ALLOW(select), ALLOW(alarm), ALLOW(pause), ALLOW(pipe),
#endif
        REFUSE(ioctl, ENOTTY), REFUSE(clone, EAGAIN), REFUSE(clone3, ENOSYS),
        ONLY_MYSELF(kill), ONLY_MYSELF(tgkill), ONLY_MYSELF(tkill),
        IF_EQUAL(__NR_fcntl, 0, 5), LOAD(ARGUMENT(1)), IF_EQUAL(F_GETFL, 1, 0), IF_EQUAL(F_GETFD, 0, 1),
        RETURN(SECCOMP_RET_ALLOW), FAIL(EPERM),
        IF_EQUAL(__NR_prlimit64, 0, 6), LOAD(ARGUMENT(2)), IF_EQUAL(0, 0, 3), LOAD(ARGUMENT(2) + 4), IF_EQUAL(0, 0, 1),
        RETURN(SECCOMP_RET_ALLOW), FAIL(EPERM),  // limits may be asked for, not set
        IF_EQUAL(__NR_openat, 0, 4), LOAD(ARGUMENT(2)), IF_ANY(WRITING, 0, 1), FAIL(EACCES), RETURN(SECCOMP_RET_ALLOW),
        FAIL(EPERM),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, (struct sock_filter *)filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) die("seccomp");
}

// The compiler starts processes and writes files; what it never needs is refused.
static void filter_compiler(void) {
    const struct sock_filter filter[] = {
        LOAD(offsetof(struct seccomp_data, arch)), IF_EQUAL(ARCHITECTURE, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
#ifdef __x86_64__
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),  // the x32 calls
#endif
        REFUSE(socket, EPERM), REFUSE(socketpair, EPERM), REFUSE(connect, EPERM), REFUSE(bind, EPERM),
        REFUSE(ptrace, EPERM), REFUSE(process_vm_readv, EPERM), REFUSE(process_vm_writev, EPERM), REFUSE(setns, EPERM),
        REFUSE(unshare, EPERM), REFUSE(mount, EPERM), REFUSE(umount2, EPERM), REFUSE(bpf, EPERM), REFUSE(keyctl, EPERM),
        REFUSE(add_key, EPERM), REFUSE(request_key, EPERM), REFUSE(perf_event_open, EPERM), REFUSE(shmget, EPERM),
        REFUSE(io_uring_setup, ENOSYS), REFUSE(userfaultfd, EPERM), REFUSE(msgget, EPERM), REFUSE(semget, EPERM),
        REFUSE(kill, EPERM), REFUSE(setsid, EPERM), REFUSE(setpgid, EPERM), REFUSE(clone3, ENOSYS),
        IF_EQUAL(__NR_clone, 0, 3), LOAD(ARGUMENT(0)), IF_ANY(NAMESPACES, 0, 1), FAIL(EPERM),
        RETURN(SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, (struct sock_filter *)filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) die("seccomp");
}

static void give_up_rights(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {0};
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);  // root's exec gains nothing back; others may not ask
    if (syscall(__NR_capset, &header, none)) die("capset");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
    if (setup.ruleset >= 0 && syscall(RESTRICT_SELF, setup.ruleset, 0)) die("Landlock");
    if (setup.compile) filter_compiler();
    else filter_program();
}

static void limit(int what, rlim_t amount) {
    struct rlimit present;
    if (getrlimit(what, &present)) die("getrlimit");
    if (amount > present.rlim_max) amount = present.rlim_max;
    if (setrlimit(what, &(struct rlimit){amount, amount})) die("setrlimit");
}

static void confine(void) {
    limit(RLIMIT_CPU, (uint64_t)setup.cpu_seconds + 2);  // the supervisor's watch is finer and comes first
    limit(RLIMIT_AS, setup.compile ? setup.memory : 4 * setup.memory + SLACK);  // in a run, resident memory counts
    limit(RLIMIT_FSIZE, setup.output + 1);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 64);
    limit(RLIMIT_STACK, setup.stack);
    if (setup.mode != 'u') give_up_rights();
}

// ---- one job ---------------------------------------------------------------------------------------------------------

static volatile pid_t running;  // the child

static void end(int signal) {
    if (running > 0) {
        kill(-running, SIGKILL);
        kill(running, SIGKILL);
    }
    _exit(128 + signal);
}

static const int ENDING[] = {SIGHUP, SIGINT, SIGTERM};
enum { ENDINGS = sizeof ENDING / sizeof *ENDING };

static _Noreturn void child(const struct job *job, int input, int output, int errors, const sigset_t *signals) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != setup.pid) _exit(FAILED);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < ENDINGS; i++) signal(ENDING[i], SIG_DFL);
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0) die("dup2");
    sigprocmask(SIG_SETMASK, signals, NULL);
    confine();
    for (int fd = 3; fd < 16; fd++) close(fd);  // more were never opened
    *setup.confined = 1;
    if (setup.command) {
        execv(setup.command[0], setup.command);
        *setup.confined = 0;
        die(setup.command[0]);
    }
    munmap((void *)setup.confined, sizeof *setup.confined);
    exit(programs[job->program]());
}

static double seconds(clockid_t clock) {
    struct timespec now;
    return clock_gettime(clock, &now) ? 0 : now.tv_sec + 1e-9 * now.tv_nsec;
}

static uint64_t resident_memory(pid_t pid) {
    char path[32], text[128];
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    unsigned long total, resident;
    text[size > 0 ? size : 0] = 0;
    return sscanf(text, "%lu %lu", &total, &resident) == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t size_of(int fd) {
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_size;
}

// Waits for the child and kills it at a limit; returns which limit, if any.
static enum reason watch(pid_t pid, double started, const sigset_t *chld, int *status, struct rusage *usage) {
    enum reason reason = ENDED;
    clockid_t clock;
    int known_clock = !clock_getcpuclockid(pid, &clock);
    while (!wait4(pid, status, WNOHANG, usage)) {
        const struct timespec pause = {0, 10 * 1000 * 1000};
        if (sigtimedwait(chld, NULL, &pause) >= 0) continue;
        if (known_clock && !setup.compile && seconds(clock) > setup.cpu_seconds) reason = TIME_LIMIT;
        if (seconds(CLOCK_MONOTONIC) - started > setup.wall_seconds) reason = TIME_LIMIT;
        if (!setup.compile && resident_memory(pid) > setup.memory) reason = MEMORY_LIMIT;
        if (reason == ENDED) continue;
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        wait4(pid, status, 0, usage);
        break;
    }
    if (setup.compile) kill(-pid, SIGKILL);
    while (waitpid(-1, NULL, setup.compile ? 0 : WNOHANG) > 0) continue;  // orphans come to us: we are their subreaper
    return reason;
}

static struct result run(const struct job *job, int input, int output, int errors) {
    sigset_t chld, blocked, signals;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    blocked = chld;
    for (int i = 0; i < ENDINGS; i++) sigaddset(&blocked, ENDING[i]);
    sigprocmask(SIG_BLOCK, &blocked, &signals);
    const double started = seconds(CLOCK_MONOTONIC);
    *setup.confined = 0;
    struct rusage usage = {0};
    int status = 0;
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (!pid) child(job, input, output, errors, &signals);
    setpgid(pid, pid);
    running = pid;
    sigprocmask(SIG_SETMASK, &chld, NULL);
    enum reason reason = watch(pid, started, &chld, &status, &usage);
    running = 0;
    sigprocmask(SIG_SETMASK, &signals, NULL);
    if (!*setup.confined) {
        char why[256] = "";
        if (pread(errors, why, sizeof why - 1, 0) < 0) die("pread");
        die(why);
    }
    struct result result = {.program = job->program, .test = job->test, .status = status};
    result.wall_seconds = seconds(CLOCK_MONOTONIC) - started;
    result.cpu_seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    result.cpu_seconds += 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    result.peak_memory = 1024ULL * usage.ru_maxrss;
    result.output_size = size_of(output);
    result.errors_size = size_of(errors);
    if (!setup.compile && reason == ENDED) {
        if (result.output_size > setup.output || result.errors_size > setup.output) reason = OUTPUT_LIMIT;
        else if (result.peak_memory > setup.memory) reason = MEMORY_LIMIT;
        else if (result.cpu_seconds > setup.cpu_seconds) reason = TIME_LIMIT;
        else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) reason = MEMORY_LIMIT;  // the kernel had no more
    }
    result.reason = reason;
    if (reason == OUTPUT_LIMIT) result.output_size = 0;
    const uint64_t kept = setup.compile ? MESSAGES_KEPT : ERRORS_KEPT;
    if (result.errors_size > kept) result.errors_size = kept;
    return result;
}

// ---- the streams -----------------------------------------------------------------------------------------------------

static int read_fully(void *into, size_t size) {
    for (char *at = into; size;) {
        ssize_t got = read(0, at, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 0;
        at += got, size -= got;
    }
    return 1;
}

static void write_fully(const void *from, size_t size) {
    for (const char *at = from; size;) {
        ssize_t put = write(1, at, size);
        if (put < 0) die("write");
        at += put, size -= put;
    }
}

static void copy(int fd, uint64_t size) {
    char buffer[1 << 16];
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(fd, buffer, size - at < sizeof buffer ? size - at : sizeof buffer, at);
        if (got <= 0) die("read");
        write_fully(buffer, got);
        at += got;
    }
}

// The bytes of an input leave no trace in the memory that the child will inherit.
static int receive(uint64_t size) {
    static char buffer[1 << 16];
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) die("memfd_create");
    while (size) {
        size_t part = size < sizeof buffer ? size : sizeof buffer;
        if (!read_fully(buffer, part)) die("input");
        if (write(fd, buffer, part) != (ssize_t)part) die("input");
        memset(buffer, 0, part);
        size -= part;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

// A unit's global variables are constructed in the server itself, by constructors of the standard library alone; what
// they may take is limited here, before the first of them, and the limits are lifted when they are done.
static void limit_server(rlim_t memory, rlim_t cpu_seconds) {
    struct rlimit limits;
    if (getrlimit(RLIMIT_AS, &limits)) die("getrlimit");
    limits.rlim_cur = memory < limits.rlim_max ? memory : limits.rlim_max;
    if (setrlimit(RLIMIT_AS, &limits) || getrlimit(RLIMIT_CPU, &limits)) die("setrlimit");
    limits.rlim_cur = cpu_seconds < limits.rlim_max ? cpu_seconds : limits.rlim_max;
    if (setrlimit(RLIMIT_CPU, &limits)) die("setrlimit");
}

__attribute__((constructor(101))) static void before_constructors(void) {
    if (programs) limit_server(SERVER_ADDRESSES, 5);
}

static void after_constructors(void) {
    limit_server(RLIM_INFINITY, RLIM_INFINITY);
    if (resident_memory(getpid()) <= SERVER_MEMORY) return;
    errno = ENOMEM;
    die("global variables");
}

static void read_arguments(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "probe")) {
        setup.mode = words[2][1];
        setup.ruleset = landlock_ruleset(words + 3);
        give_up_rights();
        exit(0);
    }
    if (count < 8) {
        errno = EINVAL;
        die("arguments");
    }
    setup.compile = !strcmp(words[1], "compile");
    setup.cpu_seconds = atof(words[2]);
    setup.wall_seconds = atof(words[3]);
    setup.memory = strtoull(words[4], NULL, 10);
    setup.output = strtoull(words[5], NULL, 10);
    setup.stack = strtoull(words[6], NULL, 10);
    setup.mode = words[7][1];
    setup.ruleset = setup.mode == 'u' ? -1 : landlock_ruleset(words + 8);
    for (char **word = words + 8; *word && !setup.command; word++)
        if (!strcmp(*word, "--")) setup.command = word + 1;
    setup.confined = mmap(NULL, sizeof *setup.confined, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (setup.confined == MAP_FAILED) die("mmap");
}

int main(int count, char **words) {
    if (programs) after_constructors();
    read_arguments(count, words);
    setup.pid = getpid();
    for (int i = 0; i < ENDINGS; i++) signal(ENDING[i], end);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    uint32_t failed = UINT32_MAX;  // after its first failure a program's other tests are passed over
    for (struct job job; read_fully(&job, sizeof job);) {
        int input = receive(job.input_size);
        if (job.program != failed) {
            int output = memfd_create("output", MFD_CLOEXEC), errors = memfd_create("errors", MFD_CLOEXEC);
            if (output < 0 || errors < 0) die("memfd_create");
            struct result result = run(&job, input, output, errors);
            if (result.reason || result.status) failed = job.program;
            write_fully(&result, sizeof result);
            copy(output, result.output_size);
            copy(errors, result.errors_size);
            close(output);
            close(errors);
        }
        close(input);
    }
    return 0;
}
