// A hub of ASP.NET Core: what `aspnet_core_after.py` was made of. It is a part of the reference server that the tests
// of this repository compare Hubline with; they run it where .NET is.
public record Person(string Name, int Age, string[]? Tags);

public class ReferenceHub : Hub
{
    public int Add(int a, int b) => a + b;
    public Person EchoPerson(Person person) => person;
    public string? UserId() => Context.UserIdentifier;
    public void ThrowHub(string message) => throw new HubException(message);
    [HubMethodName("renamed")] public string Original() => "renamed";
    [Authorize("PremiumUser")] public string NeedsPremium() => "premium";

    public Task Join(string group) => Groups.AddToGroupAsync(Context.ConnectionId, group);
    public Task SendMessage(string user, string message) => Clients.All.SendAsync("ReceiveMessage", user, message);
    public Task ToOthersInGroup(string group, string message) => Clients.OthersInGroup(group).SendAsync("ReceiveMessage", group, message);
    public Task<int> AskClient(string id, int value) => Clients.Client(id).InvokeAsync<int>("Double", value, CancellationToken.None);

    public async IAsyncEnumerable<int> Count(int n, int delayMs,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        for (var i = 0; i < n; i++) { if (delayMs > 0) await Task.Delay(delayMs, cancel); yield return i; }
    }
    public async Task<int> Sum(IAsyncEnumerable<int> numbers) { var s = 0; await foreach (var x in numbers) s += x; return s; }

    public override async Task OnConnectedAsync()
    {
        if (Context.GetHttpContext()?.Request.Query.ContainsKey("welcome") == true)
            await Clients.Caller.SendAsync("ReceiveMessage", "System", "Welcome to the chat!");
        await base.OnConnectedAsync();
    }
}
