#include <windows.h>

/* DeleteFile as Windows has it since 10, version 1809: the name is gone at once, also of a file that
   is open, if all who have it open allow its deletion. Wine keeps the name until they close it. */

#define UNLINK 87 /* the number of Linux's system call */

typedef char *(CDECL *unix_name)(const WCHAR *); /* of Wine's kernel32 */

static long linux_unlink(const char *path) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(UNLINK), "D"(path) : "rcx", "r11", "memory");
    return result;
}

__declspec(dllexport) BOOL WINAPI DeletePosix(const WCHAR *path) {
    unix_name name = (unix_name)(void *)GetProcAddress(GetModuleHandleA("kernel32"), "wine_get_unix_file_name");
    HANDLE file = CreateFileW(path, DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    char *known;
    long result;

    if (file == INVALID_HANDLE_VALUE)
        return FALSE;
    known = name(path);
    result = known ? linux_unlink(known) : -1;
    HeapFree(GetProcessHeap(), 0, known);
    CloseHandle(file);
    if (result != 0) {
        SetLastError(ERROR_ACCESS_DENIED);
        return FALSE;
    }
    return TRUE;
}

/* The same for Go's os.RemoveAll, which has the file open. FALSE where it is a directory. */
__declspec(dllexport) BOOL WINAPI DeletePosixByHandle(HANDLE file) {
    BY_HANDLE_FILE_INFORMATION info;
    WCHAR path[4096]; /* longer than any path of a test */
    DWORD length;

    if (!GetFileInformationByHandle(file, &info) || info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
        return FALSE;
    length = GetFinalPathNameByHandleW(file, path, ARRAYSIZE(path), 0);
    if (length == 0 || length >= ARRAYSIZE(path))
        return FALSE;
    return DeletePosix(path);
}
