// Runs untrusted work, one confined process a job: standard input is a stream of jobs, standard output one of results.
//
// This program never runs a line of what it supervises: every job is a process that is confined (rlimits, no
// capabilities, no_new_privs, Landlock, seccomp) and then executes the compiler or a compiled program. So the loader,
// indirect functions, static initialisers and main of a generated program all run in the same box, and nothing that
// they can write to has a say in how strict it is. What an output is compared with is not known on this side of the pipe.
//
//     supervisor TASK CPU_S WALL_S MEMORY OUTPUT STACK -l|-n|-u [-p] [-x|-w|-d PATH]... -- COMMAND...
//     supervisor probe -l|-n
//
// TASK is compile, run, serve or interpret. run executes COMMAND once for each job; serve gives it the job's program, a number, as its only argument; interpret
// gives it all of COMMAND's words, lets it list the folders that it may read, and has hashes of Python the same each time.
// Sizes are in bytes. -l: Landlock is needed; -n: namespaces confine already, Landlock if the kernel has it; -u: unsafe, rlimits
// only. -p: a program needs no paths and may use none. Below -x PATH files may be read and executed, below -w PATH read
// and written, below -d PATH folders listed; in mode -l all other paths look as if they did not exist. The kernel has to be 5.5 or later.

#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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
#ifndef __NR_faccessat2
#define __NR_faccessat2 439
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif

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
    enum { COMPILE, RUN, SERVE, INTERPRET } task;
    double cpu_seconds, wall_seconds;
    uint64_t memory, output, stack, image;
    pid_t pid;
    char mode;            // l, n or u
    int pathless;         // the program may use no path
    int ruleset;          // Landlock's, or -1
    char *const *rights;  // the words -x PATH, -w PATH and -d PATH
    char *const *command;
    int binary;           // the command's file
    int ended;            // readable when a child has ended
    char folder[PATH_MAX];
} setup = {.ruleset = -1, .binary = -1};

enum { EXECUTED = 64 };  // the descriptor of the program's file; the program's own have to be below
enum { ERRORS_KEPT = 1 << 13, MESSAGES_KEPT = 1 << 24, FAILED = 125, NOT_EXECUTED = 126 };
static const uint64_t SLACK = 2ULL << 30;

static void die(const char *what) {
    fprintf(stderr, "supervisor: %s: %s\n", what, strerror(errno));
    exit(FAILED);
}

// ---- in the child: confinement ---------------------------------------------------------------------------------------

// What a child says before it executes its command: the listener of its paths, as a descriptor, or what failed. It says
// no more once it executes.
struct message {
    int error;
    char what[60];
};
static int channel = -1;

static _Noreturn void fail(const char *what) {
    struct message message = {.error = errno};
    strncpy(message.what, what, sizeof message.what - 1);
    if (write(channel, &message, sizeof message) < 0) _exit(FAILED);
    _exit(FAILED);
}

// The system calls and rights of Landlock, by number: the headers of old systems do not have them.
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, PATH_BENEATH = 1, VERSION = 1 };
enum { EXECUTE = 1, WRITE_FILE = 2, READ_FILE = 4, READ_DIR = 8, TRUNCATE = 1 << 14, IOCTL = 1 << 15 };
enum {
    CREATE_AND_REMOVE = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12,  // folders, regular files and links
    FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL,
};

static int landlock_ruleset(void) {
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
    for (char *const *words = setup.rights; words < setup.command - 1; words += 2) {
        uint64_t rights = READ_DIR;
        if (words[0][1] != 'd') rights |= READ_FILE;
        if (words[0][1] == 'x') rights |= EXECUTE;
        if (words[0][1] == 'w') rights |= WRITE_FILE | TRUNCATE | CREATE_AND_REMOVE;
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
#define ONLY(bits) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (bits))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define FAIL(error) RETURN(SECCOMP_RET_ERRNO | (error))
#define IF_EQUAL(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define IF_ANY(bits, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (then), (otherwise))
#define ALLOW(name) IF_EQUAL(__NR_##name, 0, 1), RETURN(SECCOMP_RET_ALLOW)
#define REFUSE(name, error) IF_EQUAL(__NR_##name, 0, 1), FAIL(error)
#define CALLS \
    LOAD(offsetof(struct seccomp_data, arch)), IF_EQUAL(ARCHITECTURE, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS), \
        LOAD(offsetof(struct seccomp_data, nr))
// A signal to itself alone; its own SIGKILL ends it as a forbidden call, so that a SIGKILL tells that memory ran out.
#define SIGNAL_MYSELF(name, signal) \
    IF_EQUAL(__NR_##name, 0, 7), LOAD(ARGUMENT(0)), IF_EQUAL(myself, 1, 0), FAIL(EPERM), \
        LOAD(ARGUMENT(signal)), IF_EQUAL(SIGKILL, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)

static void install(const struct sock_filter *filter, size_t size) {
    const struct sock_fprog program = {size / sizeof *filter, (struct sock_filter *)filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) fail("seccomp");
}

// A program may compute, use its memory (none that is shared, which no limit would count), read its input and write its
// output. It may open files to read where the loader has to; Landlock says which. It starts no process or thread, signals
// nobody but itself and talks to nobody. The supervisor lets it execute once, which is how it begins.
static void filter_program(void) {
    const uint32_t myself = getpid();
    const int lists = setup.task == INTERPRET;
    const uint32_t refused = WRITING | O_PATH | (lists ? 0 : O_DIRECTORY);
    const struct sock_filter filter[] = {
        CALLS,
        IF_EQUAL(__NR_getdents64, 0, 1), RETURN(lists ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM),
        ALLOW(read), ALLOW(write), ALLOW(readv), ALLOW(writev), ALLOW(lseek), ALLOW(pread64), ALLOW(pwrite64),
        ALLOW(brk), ALLOW(munmap), ALLOW(mprotect), ALLOW(execveat),
        ALLOW(exit), ALLOW(exit_group), ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn),
        ALLOW(rt_sigsuspend), ALLOW(rt_sigpending), ALLOW(sigaltstack), ALLOW(restart_syscall), ALLOW(futex),
        ALLOW(close), ALLOW(dup), ALLOW(dup3), ALLOW(fstat), ALLOW(newfstatat), ALLOW(faccessat), ALLOW(statx),
        ALLOW(set_tid_address), ALLOW(set_robust_list), ALLOW(rseq), ALLOW(getrandom), ALLOW(uname),
        ALLOW(clock_gettime), ALLOW(clock_getres), ALLOW(clock_nanosleep), ALLOW(nanosleep), ALLOW(gettimeofday),
        ALLOW(times), ALLOW(getrusage), ALLOW(sysinfo), ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(ppoll),
        ALLOW(pselect6), ALLOW(getpid), ALLOW(getppid), ALLOW(gettid), ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid),
        ALLOW(getegid), ALLOW(getcwd), ALLOW(setitimer), ALLOW(getitimer), ALLOW(pipe2),
#ifdef __x86_64__
        ALLOW(arch_prctl), ALLOW(access), ALLOW(stat), ALLOW(lstat), ALLOW(time), ALLOW(dup2), ALLOW(poll),
        ALLOW(select), ALLOW(alarm), ALLOW(pause), ALLOW(pipe),
#endif
        REFUSE(ioctl, ENOTTY), REFUSE(clone, EAGAIN), REFUSE(clone3, ENOSYS),
        REFUSE(mremap, ENOMEM),  // which could bring back pages of the program's file that were taken out
        IF_EQUAL(__NR_madvise, 0, 4), LOAD(ARGUMENT(2)), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, MADV_COLD, 0, 1),
        FAIL(EINVAL), RETURN(SECCOMP_RET_ALLOW),  // from there on it puts pages where no limit counts them
        SIGNAL_MYSELF(kill, 1), SIGNAL_MYSELF(tkill, 1), SIGNAL_MYSELF(tgkill, 2),
        IF_EQUAL(__NR_mmap, 0, 5), LOAD(ARGUMENT(3)), ONLY(MAP_HUGETLB | 0x0f), IF_EQUAL(MAP_PRIVATE, 0, 1),
        RETURN(SECCOMP_RET_ALLOW), FAIL(EPERM),
        IF_EQUAL(__NR_fcntl, 0, 5), LOAD(ARGUMENT(1)), IF_EQUAL(F_GETFL, 1, 0), IF_EQUAL(F_GETFD, 0, 1),
        RETURN(SECCOMP_RET_ALLOW), FAIL(EPERM),
        IF_EQUAL(__NR_prlimit64, 0, 8), LOAD(ARGUMENT(0)), IF_EQUAL(0, 0, 5), LOAD(ARGUMENT(2)), IF_EQUAL(0, 0, 3),
        LOAD(ARGUMENT(2) + 4), IF_EQUAL(0, 0, 1), RETURN(SECCOMP_RET_ALLOW), FAIL(EPERM),  // asked for, not set
        IF_EQUAL(__NR_openat, 0, 4), LOAD(ARGUMENT(2)), IF_ANY(refused, 0, 1), FAIL(EACCES),
        RETURN(SECCOMP_RET_ALLOW), FAIL(EPERM),
    };
    install(filter, sizeof filter);
}

// The compiler starts processes and writes files; what it never needs is refused.
static void filter_compiler(void) {
    const struct sock_filter filter[] = {
        CALLS,
#ifdef __x86_64__
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),  // the x32 calls
#endif
        REFUSE(socket, EPERM), REFUSE(socketpair, EPERM), REFUSE(connect, EPERM), REFUSE(bind, EPERM),
        REFUSE(ptrace, EPERM), REFUSE(process_vm_readv, EPERM), REFUSE(process_vm_writev, EPERM), REFUSE(setns, EPERM),
        REFUSE(unshare, EPERM), REFUSE(mount, EPERM), REFUSE(umount2, EPERM), REFUSE(bpf, EPERM), REFUSE(keyctl, EPERM),
        REFUSE(add_key, EPERM), REFUSE(request_key, EPERM), REFUSE(perf_event_open, EPERM), REFUSE(shmget, EPERM),
        REFUSE(io_uring_setup, ENOSYS), REFUSE(userfaultfd, EPERM), REFUSE(msgget, EPERM), REFUSE(semget, EPERM),
        REFUSE(kill, EPERM), REFUSE(tkill, EPERM), REFUSE(setsid, EPERM), REFUSE(setpgid, EPERM),
        REFUSE(clone3, ENOSYS), REFUSE(openat2, ENOSYS),
        IF_EQUAL(__NR_clone, 0, 3), LOAD(ARGUMENT(0)), IF_ANY(NAMESPACES, 0, 1), FAIL(EPERM),
        RETURN(SECCOMP_RET_ALLOW),
    };
    install(filter, sizeof filter);
}

// What takes a path that may come from a program's text or from the program.
#ifdef __x86_64__
#define OF_FIRST(F) F(open) F(stat) F(lstat) F(access) F(readlink)
#else
#define OF_FIRST(F)
#endif
#define OF_SECOND(F) F(openat) F(faccessat) F(faccessat2) F(readlinkat)
#define OF_SECOND_OR_OPEN(F) F(newfstatat) F(statx)  // which ask for an open descriptor, too

// The supervisor answers some calls itself: to execute, which a program may once; and those that take a path, but where
// a program may use none. Returns the listener by which it does.
static int filter_paths(void) {
    const int asks = setup.mode == 'l' || setup.pathless;
    const uint32_t path = setup.pathless ? SECCOMP_RET_ERRNO | ENOENT : asks ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
    const uint32_t or_open = asks ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
    const uint32_t execution = setup.task == COMPILE ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;
#define TO(action, name) IF_EQUAL(__NR_##name, 0, 1), RETURN(action),
#define TO_PATH(name) TO(path, name)
#define TO_PATH_OR_OPEN(name) TO(or_open, name)
    const struct sock_filter filter[] = {
        CALLS, OF_FIRST(TO_PATH) OF_SECOND(TO_PATH) OF_SECOND_OR_OPEN(TO_PATH_OR_OPEN)
        TO(execution, execveat) RETURN(SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, (struct sock_filter *)filter};
    int listener = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) fail("seccomp's listener (Linux 5.5, and no other listener above it)");
    return listener;
}

static void send_listener(int listener) {
    struct message message = {0};
    struct iovec part = {&message, sizeof message};
    char control[CMSG_SPACE(sizeof listener)] = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    *rights = (struct cmsghdr){CMSG_LEN(sizeof listener), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(rights), &listener, sizeof listener);
    if (channel >= 0 && sendmsg(channel, &header, 0) < 0) fail("sendmsg");  // a probe has no channel
    close(listener);
}

static void give_up_rights(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {0};
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);  // root's exec gains nothing back; others may not ask
    if (syscall(__NR_capset, &header, none)) fail("capset");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("no_new_privs");
    if (setup.ruleset >= 0 && syscall(RESTRICT_SELF, setup.ruleset, 0)) fail("Landlock");
    if (setup.task != COMPILE || setup.mode == 'l') send_listener(filter_paths());
    if (setup.task == COMPILE) filter_compiler();
    else filter_program();
}

static void limit(int what, rlim_t amount) {
    struct rlimit present;
    if (getrlimit(what, &present)) fail("getrlimit");
    if (amount > present.rlim_max) amount = present.rlim_max;
    if (setrlimit(what, &(struct rlimit){amount, amount})) fail("setrlimit");
}

static void confine(void) {
    prctl(PR_SET_DUMPABLE, 1);  // /proc/self is its own again
    int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom >= 0 && write(oom, "1000", 4) == 4) close(oom);  // where memory runs out, this process goes first
    limit(RLIMIT_CPU, (uint64_t)setup.cpu_seconds + 2);  // the supervisor's watch is finer and comes first
    // In a run resident memory counts; the address space of an image with many programs is no program's own.
    limit(RLIMIT_AS, setup.task == COMPILE ? setup.memory : 4 * setup.memory + setup.image + SLACK);
    limit(RLIMIT_FSIZE, setup.output + 1);
    limit(RLIMIT_CORE, 1);  // unlike 0 it stops a core that is piped to a handler too: core(5)
    limit(RLIMIT_NOFILE, EXECUTED);
    limit(RLIMIT_STACK, setup.stack);
    if (setup.mode != 'u') give_up_rights();
}

static _Noreturn void child(const struct job *job, int input, int output, int errors) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != setup.pid) _exit(FAILED);
    setpgid(0, 0);
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0) fail("dup2");
    if (setup.task != COMPILE && dup3(setup.binary, EXECUTED, O_CLOEXEC) < 0) fail("dup3 (ulimit -n is too low)");
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    confine();
    if (setup.task == COMPILE) {
        execv(setup.command[0], setup.command);
    } else {
        char number[16], *libraries = getenv("LD_LIBRARY_PATH"), found[PATH_MAX + 32];
        snprintf(number, sizeof number, "%u", job->program);
        snprintf(found, sizeof found, "LD_LIBRARY_PATH=%s", libraries ? libraries : "");
        char *const words[] = {"program", setup.task == SERVE ? number : NULL, NULL};
        const int interprets = setup.task == INTERPRET;
        char *environment[] = {"LC_ALL=C", libraries ? found : NULL, NULL, NULL};
        if (interprets) environment[libraries ? 2 : 1] = "PYTHONHASHSEED=0";
        syscall(__NR_execveat, EXECUTED, "", interprets ? setup.command : words, environment, AT_EMPTY_PATH);
    }
    fail("exec");
}

// ---- in the supervisor: paths that do not exist for a child ------------------------------------------------------------

// Removes //, . and .. from an absolute path, as text: what a link leads to does not matter, since Landlock says what can
// be opened and this only whether it is there.
static void normalise(char *path) {
    char *to = path;
    for (char *from = path; *from;) {
        char *end = strchrnul(from + 1, '/');
        size_t size = end - from;
        if (size == 3 && !strncmp(from, "/..", 3)) {
            while (to > path && *--to != '/') continue;
        } else if (size > 1 && !(size == 2 && from[1] == '.')) {
            memmove(to, from, size);
            to += size;
        }
        from = end;
    }
    *to = 0;
}

// Whether `path` is one that the child has rights to, lies below one or leads to one.
static int visible(const char *path) {
    size_t size = strlen(path);
    for (char *const *words = setup.rights; words < setup.command - 1; words += 2) {
        size_t right = strlen(words[1]);
        if (size >= right && !strncmp(path, words[1], right) && (path[right] == '/' || !path[right])) return 1;
        if (size < right && !strncmp(path, words[1], size) && words[1][size] == '/') return 1;
    }
    return 0;
}

// The string at `address` of a process; 0 if it cannot be read or is too long.
static int read_string(pid_t pid, uint64_t address, char *into, size_t room) {
    const size_t page = 4096;
    for (size_t at = 0; at < room;) {
        size_t part = page - (address + at) % page;
        if (part > room - at) part = room - at;
        struct iovec here = {into + at, part}, there = {(void *)(uintptr_t)(address + at), part};
        ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (got <= 0) return 0;
        if (memchr(into + at, 0, got)) return 1;
        at += got;
    }
    return 0;
}

static int may_ask_for(pid_t pid, const struct seccomp_data *call) {
    static char path[2 * PATH_MAX + 1];
    int second = 1;
#define NO_SECOND(name) if (call->nr == __NR_##name) second = 0;
    OF_FIRST(NO_SECOND)
    size_t start = strlen(setup.folder);
    char *asked = path + start + 1;
    if (!read_string(pid, call->args[second], asked, PATH_MAX)) return !setup.pathless;  // Landlock stays
    if (!*asked) return 1;  // what an open descriptor says of itself
    if (setup.pathless) return 0;
    if (*asked == '/') {
        memmove(path, asked, strlen(asked) + 1);
    } else {
        if (second && (int)call->args[0] != AT_FDCWD) return 0;
        memcpy(path, setup.folder, start);
        path[start] = '/';
    }
    normalise(path);
    return visible(path);
}

// Answers a call that the child, or a child of the compiler's, waits for.
static void answer(int listener, int *executed) {
    static struct seccomp_notif_sizes sizes;
    static struct seccomp_notif *call;
    static struct seccomp_notif_resp *reply;
    if (!call) {
        if (syscall(__NR_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes)) die("seccomp");
        call = malloc(sizes.seccomp_notif > sizeof *call ? sizes.seccomp_notif : sizeof *call);
        reply = malloc(sizes.seccomp_notif_resp > sizeof *reply ? sizes.seccomp_notif_resp : sizeof *reply);
        if (!call || !reply) die("malloc");
    }
    memset(call, 0, sizes.seccomp_notif);
    memset(reply, 0, sizes.seccomp_notif_resp);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, call)) return;  // it has ended meanwhile
    reply->id = call->id;
    const int executes = call->data.nr == __NR_execveat;
    if (executes ? !*executed : may_ask_for(call->pid, &call->data)) reply->flags = 1;  // go on: ..._FLAG_CONTINUE
    else reply->error = executes ? -EPERM : -ENOENT;
    if (executes) *executed = 1;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, reply);
}

// ---- in the supervisor: one job ----------------------------------------------------------------------------------------

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

// Waits until the child executes, and lets it; returns the listener of its calls, if it has one. If it failed instead,
// `failure` says in what.
static int wait_for_execution(int from_child, struct message *failure, int *executed) {
    int listener = -1;
    for (;;) {
        struct pollfd events[] = {{from_child, POLLIN, 0}, {listener, POLLIN, 0}};
        if (poll(events, 2, -1) < 0 && errno != EINTR) die("poll");
        if (events[1].revents & POLLIN) answer(listener, executed);
        if (!events[0].revents) continue;
        struct iovec part = {failure, sizeof *failure};
        char control[CMSG_SPACE(sizeof listener)] = {0};
        struct msghdr header = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t got = recvmsg(from_child, &header, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) die("recvmsg");
        if (!got) failure->what[0] = 0;
        if (!got || failure->what[0]) return listener;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        if (rights) memcpy(&listener, CMSG_DATA(rights), sizeof listener);
    }
}

// Waits for the child and kills it at a limit; returns which limit, if any.
static enum reason watch(
    pid_t pid, double started, int listener, int *executed, int *status, struct rusage *usage) {
    enum reason reason = ENDED;
    clockid_t clock;
    int known_clock = !clock_getcpuclockid(pid, &clock);
    for (;;) {
        pid_t ended_pid = wait4(pid, status, WNOHANG, usage);
        if (ended_pid < 0) die("wait4");
        if (ended_pid) break;
        struct pollfd events[] = {{setup.ended, POLLIN, 0}, {listener, POLLIN, 0}};
        if (poll(events, 2, 10) < 0 && errno != EINTR) die("poll");
        struct signalfd_siginfo ended;
        if (events[0].revents && read(setup.ended, &ended, sizeof ended) > 0) continue;
        if (events[1].revents & POLLIN) answer(listener, executed);
        else if (events[1].revents) listener = -1;  // nobody is left who could ask
        if (known_clock && setup.task != COMPILE && seconds(clock) > setup.cpu_seconds) reason = TIME_LIMIT;
        if (seconds(CLOCK_MONOTONIC) - started > setup.wall_seconds) reason = TIME_LIMIT;
        if (setup.task != COMPILE && resident_memory(pid) > setup.memory) reason = MEMORY_LIMIT;
        if (reason == ENDED) continue;
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        wait4(pid, status, 0, usage);
        break;
    }
    if (setup.task == COMPILE) kill(-pid, SIGKILL);
    // Orphans come to us: we are their subreaper.
    while (waitpid(-1, NULL, setup.task == COMPILE ? 0 : WNOHANG) > 0) continue;
    return reason;
}

static struct result run(const struct job *job, int input, int output, int errors) {
    sigset_t blocked, signals;
    sigemptyset(&blocked);
    for (int i = 0; i < ENDINGS; i++) sigaddset(&blocked, ENDING[i]);
    sigprocmask(SIG_BLOCK, &blocked, &signals);
    int channels[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channels)) die("socketpair");
    const double started = seconds(CLOCK_MONOTONIC);
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (!pid) {
        channel = channels[1];
        child(job, input, output, errors);
    }
    setpgid(pid, pid);
    running = pid;
    sigprocmask(SIG_SETMASK, &signals, NULL);
    close(channels[1]);
    struct message failure = {0};
    int executed = 0, listener = wait_for_execution(channels[0], &failure, &executed);
    close(channels[0]);
    struct rusage usage = {0};
    int status = 0;
    enum reason reason = watch(pid, started, listener, &executed, &status, &usage);
    running = 0;
    if (listener >= 0) close(listener);
    if (failure.what[0]) {
        errno = failure.error;
        if (strcmp(failure.what, "exec") || setup.task == COMPILE) die(failure.what);
        dprintf(errors, "the system cannot execute this program\n");
        status = NOT_EXECUTED << 8;
    }
    struct result result = {.program = job->program, .test = job->test, .status = status};
    result.wall_seconds = seconds(CLOCK_MONOTONIC) - started;
    result.cpu_seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    result.cpu_seconds += 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    result.peak_memory = 1024ULL * usage.ru_maxrss;
    result.output_size = size_of(output);
    result.errors_size = size_of(errors);
    if (setup.task != COMPILE && reason == ENDED) {
        if (result.output_size > setup.output || result.errors_size > setup.output) reason = OUTPUT_LIMIT;
        else if (result.peak_memory > setup.memory) reason = MEMORY_LIMIT;
        else if (result.cpu_seconds > setup.cpu_seconds) reason = TIME_LIMIT;
        else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) reason = MEMORY_LIMIT;  // the kernel had no more
    }
    result.reason = reason;
    if (reason == OUTPUT_LIMIT) result.output_size = 0;
    const uint64_t kept = setup.task == COMPILE ? MESSAGES_KEPT : ERRORS_KEPT;
    if (result.errors_size > kept) result.errors_size = kept;
    return result;
}

// ---- the streams -------------------------------------------------------------------------------------------------------

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

static char buffer[1 << 16];

static void copy(int fd, uint64_t size) {
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(fd, buffer, size - at < sizeof buffer ? size - at : sizeof buffer, at);
        if (got <= 0) die("read");
        write_fully(buffer, got);
        at += got;
    }
}

static int receive(uint64_t size) {
    int fd = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) die("memfd_create");
    while (size) {
        size_t part = size < sizeof buffer ? size : sizeof buffer;
        if (!read_fully(buffer, part)) die("input");
        if (write(fd, buffer, part) != (ssize_t)part) die("input");
        size -= part;
    }
    lseek(fd, 0, SEEK_SET);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)) die("seals");
    return fd;
}

// Bytes of address space that the image of a program takes.
static uint64_t image_size(int fd) {
    Elf64_Ehdr header;
    uint64_t size = 0;
    if (pread(fd, &header, sizeof header, 0) != sizeof header) return 0;
    for (int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr part;
        if (pread(fd, &part, sizeof part, header.e_phoff + i * sizeof part) != sizeof part) return 0;
        if (part.p_type == PT_LOAD) size += part.p_memsz;
    }
    return size;
}

static void read_arguments(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "probe")) {
        setup.mode = words[2][1];
        setup.rights = setup.command = words + 3;
        setup.ruleset = landlock_ruleset();
        setup.task = RUN;
        give_up_rights();
        exit(0);
    }
    if (count < 9) {
        errno = EINVAL;
        die("arguments");
    }
    const char *const tasks[] = {[COMPILE] = "compile", [RUN] = "run", [SERVE] = "serve", [INTERPRET] = "interpret"};
    for (setup.task = COMPILE; setup.task <= INTERPRET && strcmp(words[1], tasks[setup.task]);) setup.task++;
    if (setup.task > INTERPRET) {
        errno = EINVAL;
        die(words[1]);
    }
    setup.cpu_seconds = atof(words[2]);
    setup.wall_seconds = atof(words[3]);
    setup.memory = strtoull(words[4], NULL, 10);
    setup.output = strtoull(words[5], NULL, 10);
    setup.stack = strtoull(words[6], NULL, 10);
    setup.mode = words[7][1];
    setup.pathless = !strcmp(words[8], "-p");
    setup.rights = words + 8 + setup.pathless;
    char **word = (char **)setup.rights;
    while (*word && strcmp(*word, "--")) word++;
    if (!*word || !word[1]) {
        errno = EINVAL;
        die("arguments");
    }
    setup.command = word + 1;
    if (setup.mode != 'u') setup.ruleset = landlock_ruleset();
    if (!getcwd(setup.folder, sizeof setup.folder)) die("getcwd");
    if (setup.task == COMPILE) return;
    setup.binary = open(setup.command[0], O_RDONLY | O_CLOEXEC);
    if (setup.binary < 0) die(setup.command[0]);
    if (setup.task == SERVE) setup.image = image_size(setup.binary);
}

int main(int count, char **words) {
    read_arguments(count, words);
    setup.pid = getpid();
    for (int fd = 3; fd < EXECUTED; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);  // whoever started us may have left some open
    for (int i = 0; i < ENDINGS; i++) signal(ENDING[i], end);
    signal(SIGCHLD, SIG_DFL);  // where it is ignored, nobody learns how a child ended
    prctl(PR_SET_DUMPABLE, 0);  // a child that can read /proc sees nothing of ours
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, NULL);
    setup.ended = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    if (setup.ended < 0) die("signalfd");
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
